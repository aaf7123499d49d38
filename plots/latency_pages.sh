# latency_pages.sh OUT.csv - what one mprotect call spends on flushing, in ns,
# against its number of pages. See latency_targets.sh.
set -e
out=$1
machine=skylake-sp kernel=v6.1 threads=8
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp"' EXIT
ghz=$($TLBEMU list machines $machine | awk '$1 == "hz" { print $2 + 0 }')
echo "machine,kernel,threads,pages,deferred [ns],range [ns],page [ns],full [ns]" > "$tmp"
n=1
while [ $n -le 64 ]; do
	$TLBEMU compare mprotect-storm --machine $machine --kernel $kernel \
		--threads $threads --placement spread --pages $n \
		--iterations 5 -j 2 --flush deferred,range,page,full \
		-o "$tmp.csv"
	awk -F, -v head="$machine,$kernel,$threads,$n" -v ghz=$ghz '
		NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		NR == 2 { calls = $col["tlb_flush [flushes]"]; line = head }
		{ cycles = $col["flush [cycles]"] + $col["wait_ack [cycles]"]
		  line = line sprintf(",%.1f", cycles / calls / ghz) }
		END { print line }' "$tmp.csv" >> "$tmp"
	n=$((n + 1))
done
mv "$tmp" "$out"
