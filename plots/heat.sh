# heat.sh OUT.csv - time of each workload under each strategy, against Linux's
# (deferred): one row per pair.
set -e
out=$1
machine='pack:2 [numa] core:4 pu:1' profile=zen3-milan kernel=v6.14
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp"' EXIT
echo "machine,profile,kernel,workload,flush,ratio" > "$tmp"
point() {
	name=$1; shift
	$TLBEMU compare "$@" --machine "$machine" --profile $profile \
		--kernel $kernel --flush all -j 2 -o "$tmp.csv" 2>/dev/null
	awk -F, -v head="$machine,$profile,$kernel,$name" '
		NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		{ print head "," $col["flush"] "," $col["ratio"] }' \
		"$tmp.csv" >> "$tmp"
}
point "mprotect 4 pages" mprotect-storm --pages 4 --iterations 50
point "mprotect 64 pages" mprotect-storm --pages 64 --iterations 20
point tlb_flush2 tlb_flush2 --bytes 128K
point page_fault1 page_fault1 --bytes 256K
point malloc1 malloc1 --rounds 20
point munmap-micro munmap-micro --rounds 50
point numa-migrate numa-migrate --time 4ms
mv "$tmp" "$out"
