# ceiling.sh OUT.csv - what a flush of so many pages costs all CPUs together,
# refilling included, page by page and of everything, on several machines. Where
# they cost the same is the best ceiling for that program.
set -e
out=$1
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp"' EXIT
echo "profile,pages,ranged [cycles],full [cycles]" > "$tmp"
# cost OPTIONS... - of all flushes' bills, a flush.
cost() {
	$TLBEMU run mprotect-storm --machine 'pack:1 core:4 pu:1' "$@" \
		--own-pages 256 --accesses 4 --iterations 10 \
		--pause 300000 --explain --table explain-flushes -o "$tmp.csv"
	awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		$1 != "no flush" { n += $col["flushes"]
		  c += $col["own [cycles]"] + $col["others [cycles]"] + \
			$col["refill [cycles]"] }
		END { printf "%.1f", n ? c / n : 0 }' "$tmp.csv"
}
for profile in haswell-ep skylake-sp ice-lake-sp zen3-milan; do
	for p in 1 2 4 8 16 24 33 48 64 96 128 192 256; do
		ranged=$(cost --profile $profile --pages $p --ceiling 512)
		full=$(cost --profile $profile --pages $p --flush full)
		echo "$profile,$p,$ranged,$full" >> "$tmp"
	done
done
mv "$tmp" "$out"
