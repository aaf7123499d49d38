# bench_large.sh - R07's first fix with two writers, three stores each and two scans
# (millions of states), one process, at most 2 GB of visited states. Prints
# "NAME VALUE UNIT" lines; exit 1 if a row is not what the catalogue expects.
# TLBEMU names the program, ROWS the rows ("large large-tso"; large-reader is larger).
T=${TLBEMU:-build/tlbemu}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
status=0
for row in ${ROWS:-large large-tso}; do
	$T race R07-large --row "$row" -j1 --memory 2G --progress never \
		-o "$dir/x.csv" > "$dir/out" 2>&1 || { cat "$dir/out"; status=1; }
	[ -f "$dir/x.csv" ] || exit 1
	awk -F, -v row="$row" 'NR == 2 {
		printf "%s_verdict %s -\n", row, $8
		printf "%s_states %s states\n", row, $12
		printf "%s_transitions %s transitions\n", row, $13
		printf "%s_seconds %.2f s\n", row, $14
		printf "%s_speed %.0f transitions_per_s\n", row, $13 / $14
	}' "$dir/x.csv"
done
exit $status
