# The client of docs/papi.md builds and reads what was emulated: 200 pages, 96
# entries of LRU, so every access of the one round misses. Output is TAP.
out=$BUILD/t/papi_client
cflags=
case $BUILD in */san) cflags="-fsanitize=address,undefined" ;; esac
if ! ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I. $cflags docs/examples/papi_client.c \
	"$BUILD/libtlbemu.a" -lpapi -lsde -lhwloc -lzstd -llzma -lz -lxxhash \
	-ljansson -linih -lm -lpthread -o "$out"; then
	echo "not ok 1 - the client builds"
	echo 1..1
	exit 1
fi
got=$(ASAN_OPTIONS=detect_leaks=0 "$out")
if [ "$got" = "dTLB-load-misses 200" ]; then
	echo "ok 1 - the client reads the misses of the emulated run"
else
	echo "not ok 1 - the client printed '$got', want 'dTLB-load-misses 200'"
fi
# docs/papi.md shows that very file.
if sed -n '/^```c$/,/^```$/p' docs/papi.md | sed '1d;$d' |
	cmp -s - docs/examples/papi_client.c; then
	echo "ok 2 - docs/papi.md shows it as it is"
else
	echo "not ok 2 - docs/papi.md and docs/examples/papi_client.c differ"
fi
# Without PAPI, and with one that cannot be loaded: the reason, and a list.
t=$BUILD/tlbemu
TLBEMU_PAPI=none "$t" list counters > "$out.none" &&
	grep -q 'switched off by TLBEMU_PAPI' "$out.none" &&
	grep -q '^page-faults' "$out.none" &&
	echo "ok 3 - without PAPI the list says so" || echo "not ok 3 - none"
TLBEMU_PAPI=/nonexistent.so "$t" list counters > "$out.no" &&
	grep -q 'cannot load /nonexistent.so' "$out.no" &&
	echo "ok 4 - a PAPI that is not there is named" || echo "not ok 4 - absent"
# PAPIs made up here: present without counters, and not permitted.
fake() {
	${CC:-gcc} -shared -fPIC $1 tests/data/fake_papi.c -o "$out.$2.so" &&
	TLBEMU_PAPI="$PWD/$out.$2.so" "$t" list counters page-faults > /dev/null &&
	TLBEMU_PAPI="$PWD/$out.$2.so" "$t" list counters iTLB-load-misses \
		> "$out.$2" && grep -q "$3" "$out.$2"
}
fake -DNO_COUNTERS off 'component perf_event is disabled: no PMU found' &&
	echo "ok 5 - a PAPI without counters gives its reason" ||
	echo "not ok 5 - without counters"
fake -DNOT_PERMITTED perm 'perf_event_paranoid=1' &&
	echo "ok 6 - what is not permitted says what to change" ||
	echo "not ok 6 - not permitted"
# Calibration in each of these: the documented message, and a profile that a run
# can use. Little time and memory: nothing is asked of what it measures.
fake -DCOUNTS counts 'readable'
quick="calibrate --repeat 1 --time 1ms --memory 1M --progress never"
calibrate() {
	TLBEMU_PAPI=$1 "$t" $quick -o "$out.ini" 2> /dev/null &&
	tr -s '\n; ' ' ' < "$out.ini" > "$out.flat" && grep -q "$2" "$out.flat" &&
	"$t" run chase --pages 9 --machine "$out.ini" > /dev/null
}
calibrate none 'by the clock alone: PAPI: switched off by TLBEMU_PAPI' &&
	echo "ok 7 - calibration without PAPI" || echo "not ok 7 - none"
calibrate /nonexistent.so 'by the clock alone: PAPI: cannot load' &&
	echo "ok 8 - with one that is not there" || echo "not ok 8 - absent"
# A processor that host/events.def does not know has nothing to be refused.
unknown='PAPI: no event of this processor is known'
calibrate "$PWD/$out.off.so" \
	"component perf_event is disabled: no PMU found\|$unknown" &&
	echo "ok 9 - with one without counters" || echo "not ok 9 - no counters"
calibrate "$PWD/$out.perm.so" "perf_event_paranoid=1\|$unknown" &&
	echo "ok 10 - with one that is not permitted" || echo "not ok 10 - perm"
quick="$quick --memory 4M"
calibrate "$PWD/$out.counts.so" 'counted beside it through papi: \|'"$unknown" &&
	{ grep -q "$unknown" "$out.flat" ||
	  grep -q 'papi: data TLB level 1, 4K: .* misses an access' "$out.flat" ||
	  ! grep -q 'clock: [0-9]* pages fit' "$out.flat"; } &&
	echo "ok 11 - with one that counts" || echo "not ok 11 - counts"
echo 1..11
