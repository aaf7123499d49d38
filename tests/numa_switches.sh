# numa_switches.sh [NAME...] - is each switch of mm/numa_rules.h held by a test? For
# every one of them mm/ is compiled as if it did not ask, once with each value that
# the switch can have, and test_numa, test_numa_scan or test_tiering must fail with
# each. Prints a line a value: the first test that noticed. Exit 1: a value that none did.
B=${BUILD:-build/opt}
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
CC=${CC:-gcc}
flags="-std=gnu11 -D_GNU_SOURCE -I. -O1 -w"
libs='-lhwloc -lzstd -llzma -lz -lxxhash -ljansson -linih -lsqlite3 -lm -lpthread -lcmocka'

for t in numa numa_scan tiering; do
	$CC $flags -c tests/test_$t.c -o "$D/$t.t.o" || exit 1
done

values_of() {
	case $1 in
	period) echo "NUMA_PERIOD_STEP NUMA_PERIOD_3_OF_10 NUMA_PERIOD_7_OF_10" ;;
	filter) echo "NUMA_FILTER_LAST_NODE NUMA_FILTER_DEFER NUMA_FILTER_ACTIVE NUMA_FILTER_GROUP" ;;
	scan_reads) echo "NUMA_READS_NONE NUMA_READS_4K NUMA_READS_ALL" ;;
	move) echo "NUMA_MOVE_NONE NUMA_MOVE_3_13 NUMA_MOVE_SPARE" ;;
	ratelimit_pages) echo "0 32768" ;;
	period_min_ms) echo "100 1000" ;;
	period_max_ms) echo "5000 60000" ;;
	*) echo "false true" ;;
	esac
}

# What reads it: through numa_rules(), a pointer named r, or the kernel itself.
read_by() {
	grep -lE "(numa_rules\(\)->|\br->|kern\(\)->numa\.)$1\b" mm/numa.c mm/numa_*.c
}

# mutant NAME VALUE: the program with every reading of NAME a VALUE
mutant() {
	objs=
	files=$(read_by "$1")
	rm -rf "$D/inc"
	if grep -qE "numa_rules\(\)->$1\b" mm/numa_balancing.h; then
		mkdir -p "$D/inc/mm"
		sed -E "s/numa_rules\(\)->$1\b/($2)/g" mm/numa_balancing.h \
			> "$D/inc/mm/numa_balancing.h"
		files=$(ls mm/numa.c mm/numa_*.c)
	fi
	for file in $files; do
		o=$D/$(basename "$file" .c)
		sed -E "s/(numa_rules\(\)->|\br->|kern\(\)->numa\.)$1\b/($2)/g" \
			"$file" > "$o.c"
		$CC -I"$D/inc" $flags -c "$o.c" -o "$o.o" || return 1
		objs="$objs $o.o"
	done
	[ -n "$objs" ] || return 1
	for t in numa numa_scan tiering; do
		$CC "$D/$t.t.o" $objs "$B/libtlbemu.a" $libs -o "$D/$t" || return 1
	done
}

[ $# -gt 0 ] || set -- $(sed -nE 's/^\t(bool|enum [a-z_]+|u32) ([a-z0-9_]+)(, ([a-z0-9_]+))?;.*/\2 \4/p' mm/numa_rules.h)
nr=0 bad=0
for name in "$@"; do
	for value in $(values_of "$name"); do
		nr=$((nr + 1))
		if ! mutant "$name" "$value"; then
			echo "$name: nothing in mm/ asks for it"
			bad=$((bad + 1))
			continue
		fi
		status=0
		for t in numa numa_scan tiering; do
			CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$D/$t" > "$D/log" 2>&1
			status=$?
			[ $status = 0 ] || break
		done
		by=$(sed -n 's/^not ok [0-9]* - \(test_[a-z0-9_]*\)$/\1/p' "$D/log" | head -n 1)
		if [ $status = 0 ]; then
			bad=$((bad + 1))
			by='NOT NOTICED'
		fi
		printf '%-22s %-22s %s\n' "$name" "$value" "${by:-exit status $status}"
	done
done
echo "$nr values, $bad not noticed"
[ $bad = 0 ]
