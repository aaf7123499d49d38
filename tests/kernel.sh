# kernel.sh - a real kernel and the modelled one beside each other: the
# distribution's image of Linux 6.1 is booted in qemu (software emulation, two
# NUMA nodes), native counterparts of workloads run in it, and the same runs in
# the emulator with --kernel v6.1. Prints both counts of every case; exit 1 when
# one differs: flushes by a count, interrupts by more than 10 %, since a CPU that
# a kernel thread has just taken is sent none, and NUMA balancing's by 10 % or four,
# since the real process has a stack and data beside what it touches. NUMA balancing's
# trace events are counted by histograms in the kernel: pages that mm_migrate_pages
# moved for numa_misplaced, tlb_flush's full ones sent to other CPUs, page_fault_user,
# and sched_move_numa, _swap_numa, _stick_numa. Exit 77 says what is missing.
#
# KERNEL=FILE: the image; else the newest /boot/vmlinuz-6.1*. KERNEL_SECONDS
# (600): how long it may take.
B=${BUILD:-build/opt}
T=$(realpath "$B/tlbemu") || exit 1
missing() {
	echo "$1"
	exit 77
}
for p in qemu-system-x86_64 cpio gcc; do
	command -v $p > /dev/null ||
		missing "$p is not installed (apt-get install qemu-system-x86 cpio gcc)"
done
image=${KERNEL:-$(ls /boot/vmlinuz-6.1* 2>/dev/null | sort -V | tail -n 1)}
[ -r "${image:-none}" ] ||
	missing "no image of Linux 6.1 in /boot (apt-get install linux-image-amd64, or KERNEL=FILE)"
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT

mkdir "$D/root"
gcc -O2 -static -pthread tests/kernel/init.c -o "$D/root/init" ||
	missing "gcc cannot link a static program (apt-get install libc6-dev)"
(cd "$D/root" && find . | cpio -o -H newc --quiet > "$D/initrd") || exit 1

# No PCID, and no page-table isolation: each flush then is what 'deferred' models.
timeout "${KERNEL_SECONDS:-600}" qemu-system-x86_64 -accel tcg,thread=multi \
	-cpu max,pcid=off -smp 4 -m 512M \
	-object memory-backend-ram,id=m0,size=256M \
	-object memory-backend-ram,id=m1,size=256M \
	-numa node,memdev=m0,cpus=0-1 -numa node,memdev=m1,cpus=2-3 \
	-kernel "$image" -initrd "$D/initrd" -no-reboot -nographic -nodefaults \
	-serial stdio -append "console=ttyS0 quiet nopti mitigations=off panic=-1 rdinit=/init" \
	< /dev/null 2>&1 | tr -d '\r' > "$D/out"
grep -q '^end' "$D/out" || {
	echo "the kernel did not get to the end:"
	grep -v "^row" "$D/out" | tail -n 20
	exit 1
}
echo "$(sed -n 's/.*kernel \(Linux .*\)/\1/p' "$D/out" | head -n 1), qemu, $(sed -n 's/^cpus //p' "$D/out") CPUs on 2 nodes; median of 3 rounds of 20 calls"

# numa THREADS PAGES THP: what the rows of init.c's numa() are of, in their order
# (ORDER numa_names). Faults after the first touch, and full flushes of a scan of 4K
# pages, depend on how many passes there were: of 100.
numa() {
	"$T" run numa02 --threads "$1" --memory "$(($2 * 4))K" "--$3" --loops 4000 \
		--machine 'pack:2 [numa(memory=256MB)] core:2 pu:1' \
		--kernel v6.1 --numa_balancing 1 -o "$D/e.csv" || exit 1
	awk -F, -v pages="$2" -v thp="$3" '{ v[$2] = $1 }
		END { faults = v["numa_hint_faults"]
			huge = v["numa_huge_pte_updates"]
			marked = v["numa_pte_updates"] - 511 * huge
			touched = thp == "thp=yes" ? pages / 512 : pages
			full = v["tlb_flush.send_all"]
			if (thp != "thp=yes")
				full = int(100 * full * pages / marked)
			print v["numa_pages_migrated"], faults - v["numa_hint_faults_local"],
				int(100 * faults / marked), v["pgmigrate_success"],
				v["thp_migration_success"], v["pgmigrate_fail"], full,
				int(100 * (v["page-faults"] - touched) / marked),
				v["numa_task_migrated"], v["numa_task_swapped"],
				v["sched_stick_numa"] }' "$D/e.csv"
}

# emulated NAME THREADS PAGES: "irqs sent full", or what numa says
emulated() {
	case $1 in
	numa02:*) numa "$2" "$3" "${1#*:}"; return ;;
	mprotect-storm) set -- "$2" "$3" mprotect-storm --iterations 20 --own-pages 1 ;;
	*) set -- "$2" "$3" munmap-micro --call "${1#*:}" --rounds 20 ;;
	esac
	threads=$1 pages=$2
	shift 2
	"$T" run "$@" --threads "$threads" --pages "$pages" --thp=no \
		--machine 'pack:2 [numa(memory=256MB)] core:2 pu:1' \
		--kernel v6.1 -o "$D/e.csv" || exit 1
	awk -F, '{ v[$2] = $1 }
		END { print v["nr_tlb_remote_flush_received"],
			v["nr_tlb_remote_flush"], v["tlb_flush.send_all"] }' "$D/e.csv"
}

printf '%-22s %7s %5s %-30s %8s %8s %s\n' workload threads pages counter real emulated ''
nr=0 bad=0 last=
while read -r _ name threads pages counter real low high; do
	if [ "$last" != "$name $threads $pages" ]; then
		last="$name $threads $pages"
		counts=$(emulated "$name" "$threads" "$pages") || exit 1
	fi
	set -- $counts
	case $counter in
	irqs) emu=$1 what='TLB of /proc/interrupts' ;;
	sent) emu=$2 what='tlb_flush, remote ipi send' ;;
	full) emu=$3 what='of these, of everything' ;;
	migrated) emu=$1 what='numa_pages_migrated' ;;
	remote) emu=$2 what='numa_hint_faults, not local' ;;
	answered) emu=$3 what='faults of 100 marked' ;;
	succeeded) emu=$4 what='mm_migrate_pages, moved' ;;
	thp) emu=$5 what='mm_migrate_pages, huge pages' ;;
	failed) emu=$6 what='mm_migrate_pages, failed' ;;
	full_numa) emu=$7 what='tlb_flush, all, of others' ;;
	faults) emu=$8 what='page_fault_user of 100 marked' ;;
	moved) emu=$9 what='sched_move_numa' ;;
	swapped) emu=${10} what='sched_swap_numa' ;;
	stuck) emu=${11} what='sched_stick_numa' ;;
	esac
	if [ "$emu" = - ]; then
		printf '%-22s %7s %5s %-30s %8s %8s not modelled\n' "$name" \
			"$threads" "$pages" "$what" "$real" -
		continue
	fi
	nr=$((nr + 1)) verdict= off=$((real > emu ? real - emu : emu - real))
	[ "$off" = 0 ] || verdict='within 10 %'
	allowed=$((real / 10))
	case $counter in
	sent | full | thp | failed | moved | swapped | stuck) allowed=0 ;;
	# The process's stack and data are a few pages.
	migrated | remote | succeeded) [ $allowed -ge 4 ] || allowed=4 ;;
	esac
	[ $off -le $((real / 10)) ] || verdict='within four'
	if [ $off -gt $allowed ]; then
		verdict=DIFFERS
		bad=$((bad + 1))
	fi
	[ "$low" = "$high" ] || verdict="$verdict (rounds: $low to $high)"
	printf '%-22s %7s %5s %-30s %8s %8s %s\n' "$name" "$threads" "$pages" \
		"$what" "$real" "$emu" "$verdict"
done <<-EOF
$(grep '^row ' "$D/out")
EOF
echo "$nr counts, $bad differ"
[ "$nr" -gt 0 ] && [ $bad = 0 ]
