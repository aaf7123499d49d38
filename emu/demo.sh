# demo.sh [PHASE...] - what tlbemu does, shown: a race and its fixes, their
# price, flush strategies, a real program. Ends with one HTML page, whose path
# is the last line. PHASEs: race numa flush trace figures; without one, all.
#
# Everything is bounded, and everything that is shown was computed just now.
set -e
cd "$(dirname "$0")/.."
export LC_ALL=C
tlbemu=${TLBEMU:-build/tlbemu}
out=${DEMO:-build/demo}         # the page and what it was made from
plots=${PLOTS:-build/plots}     # made by `ninja plots`
valgrind=${VALGRIND:-valgrind}
row_seconds=${DEMO_ROW_SECONDS:-30}

machine='pack:4 [numa] core:2 pu:1'
began=$(date +%s)

say() {
	printf '%s\n' "$*"
}

# phase NAME TITLE: begin a phase, and a section of the report
phase() {
	phase=$1 phase_began=$(date +%s)
	say "" "== $2"
	part=$out/$phase.part
	echo "section $2" > "$part"
}

phase_end() {
	say "   ($(($(date +%s) - phase_began)) s)"
}

# report LINE: into the report's script
report() {
	printf '%s\n' "$*" >> "$part"
}

# show ARGS...: print the command, run it, keep its output; into the report
show() {
	line="tlbemu"
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=,+-]*) line="$line '$word'" ;;
		*) line="$line $word" ;;
		esac
	done
	say "\$ $line"
	report "command $line"
	status=0
	"$tlbemu" "$@" > "$out/$phase.out" || status=$?
}

# configuration ARGS...: all settings of a run, into the report
configuration() {
	"$tlbemu" "$@" --dry-run > "$out/$phase.ini"
	report "text The whole configuration:"
	report "output $phase.ini"
}

# cell FILE COLUMN KEY VALUE: the cell of COLUMN where KEY is VALUE
cell() {
	awk -F, -v col="$2" -v key="$3" -v value="$4" '
		NR == 1 { for (i = 1; i <= NF; i++) {
				sub(/ \[.*/, "", $i)
				if (!($i in at)) at[$i] = i }
			  next }
		$at[key] == value { print $at[col]; exit }' "$1"
}

# ---- a race and its fixes ---------------------------------------------------------

race() {
	phase race "The race of 2013, every interleaving"
	say "NUMA balancing moves a huge page while another CPU still writes through" \
	    "its old translation. Each row is a kernel; FAIL: a schedule loses a store."
	report "text The NUMA balancing of Linux 3.12 could move a huge page while another CPU still wrote to it through an old translation: the store was lost. Each row explores one kernel, with all that its CPUs, TLBs, interrupts and store buffers may do in any order. FAIL means that a schedule was found that loses data, PASS that there is none within the bounds below. 'expected' is what the history of the kernel says."
	show race thp-numa-migration --seconds "$row_seconds" \
		-o "$out/verdicts.csv"
	case $status in
	0|3) ;;
	*) say "demo: a verdict is not the expected one" >&2; bad=1 ;;
	esac
	# A cell may hold a comma.
	awk '	{ n = split($0, q, "\""); line = ""
		  for (i = 1; i <= n; i++) {
			if (i % 2) gsub(",", "\t", q[i])
			line = line q[i] }
		  split(line, c, "\t")
		  if (NR == 1) { for (i in c) { sub(/ \[.*/, "", c[i]); at[c[i]] = i } }
		  s = c[at["seconds"]]
		  if (NR > 1) s = sprintf("%.3f", s)
		  printf "%-15s %-25s %-6s %8s  %-8s %-12s %10s %8s\n",
			c[at["row"]], c[at["kernel"]], c[at["memory"]],
			c[at["changers"]], c[at["expected"]], c[at["found"]],
			c[at["states"]], s }' "$out/verdicts.csv"
	report "table verdicts.csv row, kernel, expected, found, oracle, memory, changers, states, seconds, commit"
	if [ "$status" = 3 ]; then
		say "Rows that are not finished need more than $row_seconds s here;" \
		    "'tlbemu race thp-numa-migration' explores them to the end."
		report "text Rows that are not finished needed more than $row_seconds seconds here: 'tlbemu race thp-numa-migration' explores them to the end."
	fi
	say "" "How v3.12 loses a store, and the schedule that shows it again:"
	report "text How v3.12 loses a store, one column per CPU. The command below it replays this very schedule."
	show race thp-numa-migration --row V0
	# The row of verdicts is above.
	awk '/^[0-9]+ rows?:/ { on = 1; next } on' "$out/race.out"
	sed -n '/^thp-numa-migration/,/^O[0-9]*:/p' "$out/race.out" \
		> "$out/counterexample.txt"
	report "output counterexample.txt"
	report "command $(sed -n 's/^replay: //p' "$out/race.out")"
	report "text $(sed -n 's/^bounds of/Bounds of/p' "$out/race.out")."
	phase_end
}

# ---- its price --------------------------------------------------------------------

numa() {
	phase numa "The same kernels, timed: what was lost, what the fix costs"
	say "8 threads on 4 nodes share memory that NUMA balancing moves about."
	report "text The same lines of the modelled kernel, now in time: 8 threads on a machine of four nodes share memory that NUMA balancing moves about. --check counts stale hits (uses of a translation that the page tables no longer hold; harmless until the page moves) and stores that went to a frame after its contents had been copied away."
	show compare numa-migrate --machine "$machine" --time 200ms \
		--kernels v3.12,v3.13,v4.14,v6.1 --check -j 2
	cat "$out/numa.out"
	"$tlbemu" compare numa-migrate --machine "$machine" --time 200ms \
		--kernels v3.12,v3.13,v4.14,v6.1 --check -j 2 -o "$out/price.csv"
	report "table price.csv kernel, lost_stores, stale_hits, write_after_free, elapsed, tlb_flush, ipis_sent, per_flush"
	report "text Where the cycles of all CPUs went:"
	report "table price.csv kernel, user, stlb, walk, fault, scan, copy, flush [cycles], wait_ack, respond, lock_wait, idle"
	flushes=$(cell "$out/price.csv" tlb_flush kernel v3.12)
	fixed=$(cell "$out/price.csv" tlb_flush kernel v3.13)
	line="v3.12 lost $(cell "$out/price.csv" lost_stores kernel v3.12) stores, v3.13 $(cell "$out/price.csv" lost_stores kernel v3.13), v4.14 $(cell "$out/price.csv" lost_stores kernel v4.14), v6.1 $(cell "$out/price.csv" lost_stores kernel v6.1). In the same modelled time v3.12 flushed $flushes times, v3.13 $fixed times."
	say "$line"
	report "text $line"
	report "figure window.svg How old the stale translations were when they were used, v3.12. The flush at the end of a scan ends most of them."
	configuration run numa-migrate --machine "$machine" --time 200ms \
		--kernel v3.12 --check
	phase_end
}

# ---- flush strategies -------------------------------------------------------------

flush() {
	phase flush "What each way of flushing costs"
	say "32 threads on 4 sockets; one of them changes the rights of 4 pages."
	report "text One thread changes the rights of 4 pages over and over, 31 others on four sockets read these pages."
	show compare mprotect-storm --flush all --machine skylake-sp --pages 4 -j 2
	cat "$out/flush.out"
	"$tlbemu" compare mprotect-storm --flush all --machine skylake-sp \
		--pages 4 -j 2 -o "$out/flush.csv"
	report "table flush.csv flush, elapsed, ratio, busy, busy_ratio, tlb_flush, ipis_sent, per_flush, flush [cycles], wait_ack, respond, walk"
	report "figure categories_mprotect-storm.svg Where all CPUs' cycles go. The readers read for as long as the initiator is at it, so 'user' grows with its time."
	report "figure latency_targets.svg What the caller waits for grows with every CPU that it interrupts, and jumps when an interrupt has to cross to another socket."
	report "figure latency_pages.svg Above the kernel's ceiling of 33 pages everything is flushed at once, which is cheaper for the caller."
	report "figure categories_numa-migrate.svg The same strategies under NUMA balancing, where moving pages outweighs them."
	configuration run mprotect-storm --machine skylake-sp --pages 4
	phase_end
}

# ---- a real program ---------------------------------------------------------------

# The reads and writes of a real run of sort, recorded now.
record() {
	awk 'BEGIN { for (i = 0; i < 500; i++) {
		x = (x * 7919 + 104729) % 1000003; print x } }' > "$out/numbers"
	say "\$ valgrind --tool=lackey --trace-mem=yes --log-fd=9 sort -n numbers" \
	    "9>&1 >/dev/null | tlbemu trace import --no-fetch -o sort.tlbt -"
	report "command valgrind --tool=lackey --trace-mem=yes --log-fd=9 sort -n numbers 9>&1 >/dev/null | tlbemu trace import --no-fetch -o sort.tlbt -"
	timeout 60 "$valgrind" --tool=lackey --trace-mem=yes --log-fd=9 \
		sort -n "$out/numbers" 9>&1 > /dev/null |
		"$tlbemu" trace import --no-fetch --progress never -o "$out/sort.tlbt" -
}

trace() {
	phase trace "A real program, recorded and replayed"
	rm -f "$out/sort.tlbt"
	if command -v "$valgrind" > /dev/null 2>&1; then
		report "text Every load and store of 'sort -n', recorded just now."
		record || {
			say "demo: recording failed" >&2
			rm -f "$out/sort.tlbt"
		}
	else
		say "valgrind is not installed (apt-get install valgrind): nothing is recorded."
	fi
	if [ ! -f "$out/sort.tlbt" ]; then
		say "Using tests/data/sort.tlbt, a trace that was recorded before."
		report "text valgrind was missing or failed, so this is tests/data/sort.tlbt, a trace of sort that was recorded before."
		cp tests/data/sort.tlbt "$out/sort.tlbt"
	fi
	show trace info "$out/sort.tlbt"
	cat "$out/trace.out"
	cp "$out/trace.out" "$out/info.txt"
	report "output info.txt"
	for how in "1 threads" "2 threads" "2 processes"; do
		set -- $how
		show run replay "$out/sort.tlbt" --threads "$1" --as "$2"
		cp "$out/trace.out" "$out/replay-$1-$2.txt"
		grep -E 'misses|stlb_hit|walk_completed  |page-faults|modelled \(' \
			"$out/trace.out"
	done
	report "text What the first of them counted:"
	report "output replay-1-threads.txt"
	report "text The last, two processes that share nothing:"
	report "output replay-2-processes.txt"
	phase_end
}

# ---- figures, and the page --------------------------------------------------------

figures() {
	for name in categories_mprotect-storm categories_numa-migrate \
		latency_targets latency_pages window; do
		if [ ! -f "$plots/$name.svg" ]; then
			say "demo: $plots/$name.svg is missing; 'ninja plots' draws it" >&2
			exit 1
		fi
		cp "$plots/$name.svg" "$plots/$name.csv" "$out/"
	done
}

page() {
	{
		echo "title tlbemu: a lost store, its fixes, and what they cost"
		echo "text Made by $("$tlbemu" --version) on $(date -u +%Y-%m-%d). Cycles and times are those of the modelled machine ('tlbemu list machines skylake-sp' says where each number is from), never of the host; the seconds of an exploration are the host's. The same commands give the same numbers anywhere."
		for name in $1; do
			cat "$out/$name.part"
		done
	} > "$out/report.txt"
	"$tlbemu" report "$out"
}

mkdir -p "$out"
bad=0
if [ $# -gt 0 ]; then
	for name; do
		case $name in
		race|numa|flush|trace|figures) $name ;;
		*) say "demo: '$name': expected race, numa, flush, trace or figures" >&2
		   exit 2 ;;
		esac
	done
	exit $bad
fi
figures
race
numa
flush
trace
page "race numa flush trace"
say "" "All of it in $(($(date +%s) - began)) s. The report:"
say "$out/report.html"
exit $bad
