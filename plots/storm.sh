# storm.sh OUT.csv - iterations a second of tlb_flush2 (every thread flushes one
# page of all others) against threads, by flush strategy; two sockets.
set -e
out=$1
machine='pack:2 [numa] core:28 pu:1' profile=zen3-milan kernel=v6.14 pages=32
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp"' EXIT
echo "machine,profile,kernel,threads,deferred [iterations/s],page [iterations/s],freebsd [iterations/s],invlpgb [iterations/s]" > "$tmp"
for t in 1 2 4 8 12 16 20 24 28 32 36 40 48 56; do
	$TLBEMU compare tlb_flush2 --machine "$machine" --profile $profile \
		--kernel $kernel --placement pack --thp=no --lines contended \
		--ipi-send cluster --bytes $((pages * 4))K --threads $t -j 2 \
		--flush deferred,page,freebsd,invlpgb -o "$tmp.csv"
	awk -F, -v head="$machine,$profile,$kernel,$t" -v n=$((t * pages)) '
		NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		NR == 2 { line = head }
		{ line = line sprintf(",%.0f", n / $col["elapsed [ms]"] * 1e3) }
		END { print line }' "$tmp.csv" >> "$tmp"
done
mv "$tmp" "$out"
