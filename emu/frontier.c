#include "emu/frontier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/outfile.h"

#define MAGIC "tlbemuFR"
#define VERSION 1u
#define MAX_FILE (16ull << 30)

struct head {
	char magic[8];
	u32 version;
	u32 frame_bytes;
	char program[96];
	u64 config;
	struct hash128 start;
	u64 states, transitions, finals;
	u64 max_depth, nr_slots, loads_bytes, stacks_bytes;
};

void frontier_free(struct frontier *f)
{
	for (u32 i = 0; i < f->nr_stacks; i++) {
		free(f->stack[i].base);
		free(f->stack[i].f);
	}
	free(f->stack);
	free(f->slot);
	free(f->loads);
	memset(f, 0, sizeof(*f));
}

static void *copy_of(const void *p, size_t n)
{
	void *to = malloc(n ? n : 1);

	if (to && n)
		memcpy(to, p, n);
	return to;
}

int frontier_add(struct frontier *to, const struct explore_move *base,
		 u32 nr_base, const struct frame *f, u32 nr_frames)
{
	struct stack *s = realloc(to->stack, (to->nr_stacks + 1) * sizeof(*s));

	if (!s)
		return -ENOMEM;
	to->stack = s;
	s += to->nr_stacks;
	s->nr_base = nr_base;
	s->nr_frames = nr_frames;
	s->base = copy_of(base, nr_base * sizeof(*base));
	s->f = copy_of(f, nr_frames * sizeof(*f));
	if (!s->base || !s->f) {
		free(s->base);
		free(s->f);
		return -ENOMEM;
	}
	to->nr_stacks++;
	return 0;
}

/* ---- as bytes -------------------------------------------------------------------- */

static u64 packed_bytes(const struct stack *s)
{
	return 8 + s->nr_base * sizeof(*s->base) + s->nr_frames * sizeof(*s->f);
}

static u8 *put(u8 *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

int frontier_pack(const struct frontier *f, u8 **bytes, u64 *n)
{
	u8 *p;

	*n = 0;
	for (u32 i = 0; i < f->nr_stacks; i++)
		*n += packed_bytes(&f->stack[i]);
	*bytes = p = malloc(*n ? *n : 1);
	if (!p)
		return -ENOMEM;
	for (u32 i = 0; i < f->nr_stacks; i++) {
		const struct stack *s = &f->stack[i];

		p = put(p, &s->nr_base, 4);
		p = put(p, &s->nr_frames, 4);
		p = put(p, s->base, s->nr_base * sizeof(*s->base));
		p = put(p, s->f, s->nr_frames * sizeof(*s->f));
	}
	return 0;
}

int frontier_unpack(struct frontier *to, const u8 *bytes, u64 n)
{
	while (n) {
		struct explore_move *base;
		struct frame *f;
		u32 nr[2];
		u64 want;
		int rc;

		if (n < sizeof(nr))
			return -EINVAL;
		memcpy(nr, bytes, sizeof(nr));
		want = sizeof(nr) + nr[0] * (u64)sizeof(*base) +
		       nr[1] * (u64)sizeof(*f);
		if (n < want)
			return -EINVAL;
		base = copy_of(bytes + sizeof(nr), nr[0] * sizeof(*base));
		f = copy_of(bytes + sizeof(nr) + nr[0] * sizeof(*base),
			    nr[1] * sizeof(*f));
		rc = base && f ? frontier_add(to, base, nr[0], f, nr[1])
			       : -ENOMEM;
		free(base);
		free(f);
		if (rc)
			return rc;
		bytes += want;
		n -= want;
	}
	return 0;
}

/* ---- as a file ------------------------------------------------------------------- */

static void add(FILE *file, XXH64_state_t *sum, const void *p, size_t n)
{
	if (!n)                 /* @p may be NULL then */
		return;
	XXH64_update(sum, p, n);
	fwrite(p, 1, n, file);
}

static struct head head_of(const struct frontier *f,
			   const struct frontier_id *id, u64 stacks_bytes)
{
	struct head h;

	memset(&h, 0, sizeof(h));
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.version = VERSION;
	h.frame_bytes = sizeof(struct frame);
	snprintf(h.program, sizeof(h.program), "%s", id->program);
	h.config = id->config;
	h.start = id->start;
	h.states = f->states;
	h.transitions = f->transitions;
	h.finals = f->finals;
	h.max_depth = f->max_depth;
	h.nr_slots = f->nr_slots;
	h.loads_bytes = f->loads ? f->loads_bytes : 0;
	h.stacks_bytes = stacks_bytes;
	return h;
}

int frontier_write(const struct frontier *f, const struct frontier_id *id,
		   const char *path, struct err *e)
{
	struct outfile out;
	struct head h;
	XXH64_state_t *sum;
	u64 n, digest;
	u8 *stacks;
	int rc = frontier_pack(f, &stacks, &n);

	if (rc)
		return err_set(e, rc, "%s: out of memory", path);
	rc = outfile_open(&out, path, e);
	if (rc) {
		free(stacks);
		return rc;
	}
	sum = XXH64_createState();
	XXH64_reset(sum, 0);
	h = head_of(f, id, n);
	add(out.f, sum, &h, sizeof(h));
	add(out.f, sum, f->slot, f->nr_slots * sizeof(*f->slot));
	if (h.loads_bytes)
		add(out.f, sum, f->loads, h.loads_bytes);
	add(out.f, sum, stacks, n);
	digest = XXH64_digest(sum);
	fwrite(&digest, 1, sizeof(digest), out.f);
	XXH64_freeState(sum);
	free(stacks);
	return outfile_commit(&out, e);
}

static bool take(FILE *file, XXH64_state_t *sum, void *p, size_t n)
{
	if (fread(p, 1, n, file) != n)
		return false;
	XXH64_update(sum, p, n);
	return true;
}

/* Does the file belong to this program and this search? */
static int check_head(const struct head *h, const struct frontier_id *id,
		      const char *path, struct err *e)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return err_set(e, -EINVAL, "%s: not a saved search", path);
	if (h->version != VERSION)
		return err_set(e, -EINVAL, "%s: saved search of format %u, this "
			       "program reads %u", path, h->version, VERSION);
	if (strncmp(h->program, id->program, sizeof(h->program) - 1) ||
	    h->frame_bytes != sizeof(struct frame))
		return err_set(e, -EINVAL, "%s: saved by %.95s, this is %s", path,
			       h->program, id->program);
	if (h->config != id->config || h->start.lo != id->start.lo ||
	    h->start.hi != id->start.hi)
		return err_set(e, -EINVAL, "%s: saved from another race, row or "
			       "configuration", path);
	return 0;
}

/* Before memory is taken for what the head claims. */
static bool holds(FILE *file, u64 bytes)
{
	struct stat st;

	return !fstat(fileno(file), &st) && (!S_ISREG(st.st_mode) ||
					     (u64)st.st_size == bytes);
}

static int read_rest(struct frontier *f, const struct head *h, FILE *file,
		     XXH64_state_t *sum)
{
	u64 digest = 0, rest = h->nr_slots * sizeof(*f->slot) + h->loads_bytes +
			       h->stacks_bytes;
	u8 *stacks;
	int rc = -EINVAL;

	if (h->nr_slots > MAX_FILE / sizeof(*f->slot) || rest > MAX_FILE ||
	    h->loads_bytes > MAX_FILE || h->stacks_bytes > MAX_FILE ||
	    !holds(file, sizeof(*h) + rest + sizeof(digest)))
		return -EINVAL;
	f->slot = malloc(h->nr_slots * sizeof(*f->slot) + 1);
	f->loads = h->loads_bytes ? malloc(h->loads_bytes) : NULL;
	stacks = malloc(h->stacks_bytes + 1);
	if (!f->slot || !stacks || (h->loads_bytes && !f->loads))
		rc = -ENOMEM;
	else if (take(file, sum, f->slot, h->nr_slots * sizeof(*f->slot)) &&
		 (!f->loads || take(file, sum, f->loads, h->loads_bytes)) &&
		 take(file, sum, stacks, h->stacks_bytes) &&
		 fread(&digest, 1, sizeof(digest), file) == sizeof(digest) &&
		 digest == XXH64_digest(sum))
		rc = frontier_unpack(f, stacks, h->stacks_bytes);
	free(stacks);
	return rc;
}

int frontier_read(struct frontier *f, const struct frontier_id *id,
		  const char *path, struct err *e)
{
	FILE *file = fopen(path, "rb");
	XXH64_state_t *sum;
	struct head h;
	int rc;

	memset(f, 0, sizeof(*f));
	if (!file)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	sum = XXH64_createState();
	XXH64_reset(sum, 0);
	memset(&h, 0, sizeof(h));
	if (!take(file, sum, &h, sizeof(h)))
		rc = err_set(e, -EINVAL, "%s: not a saved search", path);
	else
		rc = check_head(&h, id, path, e);
	if (!rc) {
		f->states = h.states;
		f->transitions = h.transitions;
		f->finals = h.finals;
		f->max_depth = (u32)h.max_depth;
		f->nr_slots = h.nr_slots;
		f->loads_bytes = h.loads_bytes;
		rc = read_rest(f, &h, file, sum);
		if (rc)
			err_set(e, rc, "%s: %s", path, rc == -ENOMEM
				? "out of memory" : "cut short or damaged");
	}
	XXH64_freeState(sum);
	fclose(file);
	if (rc)
		frontier_free(f);
	return rc;
}
