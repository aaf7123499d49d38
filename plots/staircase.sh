# staircase.sh OUT.csv [PROFILE...] - cycles per access of a pointer chase, one
# line in each page, against the number of pages; and of how many accesses missed
# the first level of the TLB or walked. Measured points are in docs/staircase.md.
# Zen 5, which was measured in a guest, also as a guest: pages touched first in
# order of address, since the hypervisor's tables go by the guest's frames.
set -e
out=$1
shift
# Of these, the profiles that this build has; data caches, if it models them.
[ $# -gt 0 ] || set -- $($TLBEMU list machines |
	grep -oE '^ *(zen5-turin|skylake-sp|sapphire-rapids)\b')
caches=
! $TLBEMU run --help | grep -q -e '--caches' || caches='--caches full'
tmp=$out.tmp
trap 'rm -f "$tmp.csv" "$tmp.c.csv" "$tmp"' EXIT
rounds=4
echo "design,pages,cycles per access,L1 misses [%],walks [%]" > "$tmp"
for design in "$@" 'zen5-turin guest'; do
	profile=${design% guest} guest=
	[ "$design" = "$profile" ] || guest='--ept 4k --contiguous'
	for n in 16 32 48 60 64 68 80 96 100 112 128 160 192 256 384 512 768 \
		1024 1280 1536 1600 1792 2048 2304 2560 3072 4096 4352 5120 \
		6144 8192 12288 16384 32768 65536; do
		set -- --machine 'pack:1 core:1 pu:1 [numa(memory=8GB)]' \
			--profile "$profile" --pages $n --rounds $rounds \
			$caches $guest
		$TLBEMU run chase "$@" --table cycles -o "$tmp.csv"
		$TLBEMU run chase "$@" -o "$tmp.c.csv"
		awk -F, -v head="$design,$n" -v all=$((n * rounds)) '
			FNR == 1 { file++; next }
			file == 1 && $2 != "idle" { cycles += $1 }
			file == 2 && $2 == "dTLB-load-misses" { l1 = $1 }
			file == 2 && $2 == "dtlb_load_misses.walk_completed" { w = $1 }
			END { printf "%s,%.3f,%.3f,%.3f\n", head, cycles / all,
				100 * l1 / all, 100 * w / all }' \
			"$tmp.csv" "$tmp.c.csv" >> "$tmp"
	done
done
mv "$tmp" "$out"
