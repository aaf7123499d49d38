# categories.sh OUT.csv WORKLOAD - one row per flush strategy, a column per
# category of cycles.
set -e
out=$1 workload=$2
profile=skylake-sp
case $workload in
mprotect-storm) machine=skylake-sp options='--pages 4' ;;
numa-migrate)   machine='pack:4 [numa] core:2 pu:1' options= ;;
*) echo "usage: sh plots/categories.sh OUT.csv mprotect-storm|numa-migrate" >&2
   exit 2 ;;
esac
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp.cpus.csv" "$tmp"' EXIT
$TLBEMU run "$workload" --machine "$machine" --profile $profile $options \
	--table cpus -o "$tmp.cpus.csv"
threads=$(($(wc -l < "$tmp.cpus.csv") - 1))
$TLBEMU compare "$workload" --machine "$machine" --profile $profile \
	--flush all $options -j 2 -o "$tmp.csv"
awk -v w="$workload" -v m="$machine" -v p=$profile -v t=$threads '
	NR == 1 { print "workload,profile,machine,threads," $0; next }
	        { print w "," p "," m "," t "," $0 }' "$tmp.csv" > "$tmp"
mv "$tmp" "$out"
