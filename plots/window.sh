# window.sh OUT.csv - how long stale translations were used, on a kernel that
# loses stores: uses by age, the stores among them, and how many were lost.
set -e
out=$1
machine='pack:4 [numa] core:2 pu:1' profile=skylake-sp kernel=v3.12
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp.counters.csv" "$tmp"' EXIT
# run exits with 1 when stores were lost, as they are meant to be here.
run() {
	$TLBEMU run numa-migrate --machine "$machine" --profile $profile \
		--kernel $kernel --time 200ms --check "$@" || [ $? = 1 ]
}
run -o "$tmp.counters.csv"
run --table window -o "$tmp.csv"
lost=$(awk -F, '$2 == "lost_stores" { print $1 }' "$tmp.counters.csv")
[ "$lost" -gt 0 ] || { echo "window.sh: $kernel lost no store" >&2; exit 1; }
awk -v head="$profile,$machine,$kernel,$lost" '
	NR == 1 { print "profile,machine,kernel,lost_stores," $0; next }
	        { print head "," $0 }' "$tmp.csv" > "$tmp"
mv "$tmp" "$out"
