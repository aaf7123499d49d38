# reuse.sh OUT.csv [TRACE] - reuse distances of a trace's data accesses, by page
# size.
set -e
$TLBEMU tlb "${2:-tests/data/xz.tlbt}" --histogram -o "$1"
