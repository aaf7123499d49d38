# refill.sh OUT.csv - what one interrupted CPU pays for refilling after a flush,
# against the pages it works on: of four pages by name, and of everything.
set -e
out=$1
profile=skylake-sp
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp"' EXIT
echo "profile,pages,ranged [ns],full [ns]" > "$tmp"
ghz=$($TLBEMU list machines $profile | awk '$1 == "hz" { print $2 + 0 }')
for own in 4 8 16 32 64 128 256 512 768 1024 1280 1536 2048 3072 4096; do
	line="$profile,$own"
	for flush in deferred full; do
		$TLBEMU run mprotect-storm --machine 'pack:1 core:2 pu:1' \
			--profile $profile --flush $flush --pages 4 \
			--own-pages $own --accesses 1 --iterations 20 \
			--pause 2000000 --explain --table explain-flushes \
			-o "$tmp.csv"
		line=$line,$(awk -F, -v ghz=$ghz '
			NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
			{ n += $col["interrupts [CPUs]"]
			  cycles += $col["refill [cycles]"] }
			END { printf "%.1f", n ? cycles / n / ghz : 0 }' "$tmp.csv")
	done
	echo "$line" >> "$tmp"
done
mv "$tmp" "$out"
