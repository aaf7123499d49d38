# capacity.sh OUT.csv [TRACE] - misses of LRU TLBs of many sizes, one pass over
# the trace.
set -e
$TLBEMU tlb "${2:-tests/data/xz.tlbt}" -o "$1" \
	--what-if entries=8..1024,ways=4,8,full,page=4k,2m
