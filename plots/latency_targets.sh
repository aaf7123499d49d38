# latency_targets.sh OUT.csv - what one mprotect call spends on flushing, in ns,
# against the number of CPUs that it has to interrupt.
#
# Threads fill the sockets in order; the initiator is the first. A call under
# 'deferred' flushes once, so its flushes count the calls that flush at all.
set -e
out=$1
machine=skylake-sp kernel=v6.1 pages=4
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp.cpus.csv" "$tmp"' EXIT
ghz=$($TLBEMU list machines $machine | awk '$1 == "hz" { print $2 + 0 }')
run="--machine $machine --kernel $kernel --placement pack --pages $pages \
	--iterations 20"

$TLBEMU run mprotect-storm $run --table cpus -o "$tmp.cpus.csv"
echo "machine,kernel,pages,targets,node,deferred [ns],range [ns],page [ns],full [ns]" > "$tmp"
t=2
while [ $t -le $(($(wc -l < "$tmp.cpus.csv") - 1)) ]; do
	node=$(awk -F, -v t=$t 'NR == t + 1 { print $3 }' "$tmp.cpus.csv")
	$TLBEMU compare mprotect-storm $run --threads $t -j 2 \
		--flush deferred,range,page,full -o "$tmp.csv"
	awk -F, -v head="$machine,$kernel,$pages,$((t - 1)),$node" -v ghz=$ghz '
		NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		NR == 2 { calls = $col["tlb_flush [flushes]"]; line = head }
		{ cycles = $col["flush [cycles]"] + $col["wait_ack [cycles]"]
		  line = line sprintf(",%.1f", cycles / calls / ghz) }
		END { print line }' "$tmp.csv" >> "$tmp"
	t=$((t + 1))
done
mv "$tmp" "$out"
