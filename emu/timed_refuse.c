/* What cannot be together, said before anything is built. */
#include <errno.h>
#include <string.h>

#include "cpu/granule.h"
#include "emu/mthp_opt.h"
#include "emu/timed_parts.h"

/* Every node has the numbers of the largest. */
u64 timed_nr_frames(const struct machine *m)
{
	u64 most = 0;

	for (u32 i = 0; i < m->nr_nodes; i++)
		if (m->node_bytes[i] >> m->page_shift > most)
			most = m->node_bytes[i] >> m->page_shift;
	return most * m->nr_nodes;
}

static bool has_caches(const struct machine *m)
{
	for (u32 i = 0; i < NR_CACHE_LEVELS; i++)
		if (m->cache[i].bytes)
			return true;
	return false;
}

/* The modelled kernel's lists and batches are of 4K pages. */
static int check_granule(const struct timed_point *p, struct err *e)
{
	const struct timed_cfg *cfg = p->cfg;

	if (!cfg->granule)
		return 0;
	if (strcmp(p->workload->name, "replay"))
		return err_set(e, -EINVAL, "--granule=%s: workload '%s' knows "
			       "4K pages alone; replay has others",
			       granule_names[cfg->granule], p->workload->name);
	if (cfg->ept)
		return err_set(e, -EINVAL, "--granule=%s: nested paging is of "
			       "4K pages", granule_names[cfg->granule]);
	if (cfg->numa.mode)
		return err_set(e, -EINVAL, "--granule=%s: NUMA balancing scans "
			       "4K pages", granule_names[cfg->granule]);
	return 0;
}

static int check_levels(const struct timed_cfg *cfg, const struct machine *m,
			struct err *e)
{
	bool is_riscv = m->arch == ARCH_RISCV;

	if (cfg->granule && cfg->levels != 4)
		return err_set(e, -EINVAL, "--levels=%u: not with --granule=%s, "
			       "whose tables have three", cfg->levels,
			       granule_names[cfg->granule]);
	if (cfg->levels == 3 && !is_riscv)
		return err_set(e, -EINVAL, "--levels=3: only RISC-V has tables "
			       "of three levels (Sv39); machine '%s' is %s",
			       m->name, m->rules.name);
	if (cfg->levels == 5 &&
	    !machine_has(m, is_riscv ? FEATURE_SV57 : FEATURE_LA57, e))
		return err_prefix(e, -EINVAL, "--levels=5: ");
	return 0;
}

/* Each CPU keeps the number of what it has loaded, and one may be loading. */
int timed_check_asid_bits(const struct timed_point *p, const struct machine *m,
			  struct err *e)
{
	u32 bits = p->cfg->asid_bits;
	u32 cpus = p->cfg->cpus ? p->cfg->cpus : m->nr_cpus;

	if (!bits)
		return 0;
	if (bits > m->rules.asid_bits)
		return err_set(e, -EINVAL, "--asid-bits=%u: at most %u on %s",
			       bits, m->rules.asid_bits, m->rules.name);
	if (!p->flush->has_global_asids)
		return err_set(e, -EINVAL, "--asid-bits: with --flush %s each "
			       "CPU has numbers of its own; 'tlbi' and "
			       "'invlpgb' have common ones", p->flush->name);
	if ((1u << bits) - 1 <= 2 * cpus)
		return err_set(e, -EINVAL, "--asid-bits=%u: %u numbers are too "
			       "few for %u CPUs, each may hold on to two", bits,
			       (1u << bits) - 1, cpus);
	return 0;
}

int timed_mthp_orders(const struct timed_point *p, const struct machine *m,
		      u32 *orders, struct err *e)
{
	return mthp_parse(p->cfg->mthp, p->kernel, m->page_shift,
			  granule_paging(m, p->cfg->levels).bits, orders, e);
}

int timed_refuse(const struct timed_point *p, const struct machine *m,
		 struct err *e)
{
	const struct timed_cfg *cfg = p->cfg;
	u32 orders;

	if (cfg->cpus > m->nr_cpus)
		return err_set(e, -EINVAL, "--cpus: %u, but '%s' has %u; try "
			       "--machine 'pack:2 core:%u pu:1'", cfg->cpus,
			       m->topology, m->nr_cpus, (cfg->cpus + 1) / 2);
	if (cfg->irqs_off_ns && machine_ns_to_cycles(m, cfg->irqs_off_ns) >=
				machine_ns_to_cycles(m, cfg->irqs_every_ns))
		return err_set(e, -EINVAL, "--irqs-off: not shorter than "
			       "--irqs-off-every");
	if (cfg->steal_ns && machine_ns_to_cycles(m, cfg->steal_ns) >=
			     machine_ns_to_cycles(m, cfg->steal_every_ns))
		return err_set(e, -EINVAL, "--steal: not shorter than "
			       "--steal-every");
	if (cfg->steal_ns && !cfg->guest)
		return err_set(e, -EINVAL, "--steal: nobody takes CPUs away "
			       "from a machine that is no guest; add --guest "
			       "exits or --guest hypercall");
	if (cfg->pti && !m->has_pcid)
		return err_set(e, -EINVAL, "--pti: the profile '%s' has no "
			       "PCIDs, and that each way in and out flushes "
			       "everything is not modelled", m->name);
	if (cfg->pti && !strncmp(p->flush->name, "eurosys20", 9))
		return err_set(e, -EINVAL, "--pti: the strategy '%s' flushes "
			       "user halves by itself", p->flush->name);
	if (p->flush->can_run && !p->flush->can_run(m, e))
		return -EINVAL;
	if (p->kernel->batch_broadcasts && !p->flush->batch_start &&
	    !p->flush->has_broadcasts)
		return err_set(e, -EINVAL, "--kernel=%s: reclaim's batches are "
			       "TLBIs under way, which need --flush tlbi and an "
			       "Arm machine; try --profile neoverse-n1",
			       p->kernel->name);
	if (timed_nr_frames(m) > UINT32_MAX)
		return err_set(e, -EINVAL, "machine '%s': more than 16 TiB of "
			       "memory", m->topology);
	if (cfg->caches && !has_caches(m))
		return err_set(e, -EINVAL, "--caches: the profile '%s' names "
			       "no data caches ([cache.l1d], [cache.l2], "
			       "[cache.llc])", m->name);
	if (cfg->numa.mode && !p->kernel->numa.commit)
		return err_set(e, -EINVAL, "--numa_balancing: not modelled for "
			       "kernel '%s'; of v3.12, v3.13, v3.19, v4.0, v4.14, "
			       "v5.14, v6.1, v6.3, v6.4, v6.7, v6.10, v6.12 it is", p->kernel->name);
	if (timed_mthp_orders(p, m, &orders, e))
		return -EINVAL;
	if (cfg->numa.mode && m->nr_nodes > NUMA_MAX_NODES)
		return err_set(e, -EINVAL, "--numa_balancing: %u nodes, at most "
			       "%u are modelled", m->nr_nodes, NUMA_MAX_NODES);
	if (check_levels(cfg, m, e))
		return -EINVAL;
	if (cfg->tce && !machine_has(m, FEATURE_TCE, e))
		return err_prefix(e, -EINVAL, "--tce: ");
	return check_granule(p, e);
}
