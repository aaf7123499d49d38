# run_test.sh - run.sh and summary.sh count what happened. Output is TAP.
nr=0 bad=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# counts NAME SCRIPT WANT: a test program SCRIPT must be summed up as WANT
counts() {
	nr=$((nr + 1))
	printf '%s\n' "$2" > "$tmp/t$nr.sh"
	TEST_TIMEOUT=2 sh tests/run.sh "$tmp/t$nr.ok" sh "$tmp/t$nr.sh" > "$tmp/out"
	status=$?
	echo "$tmp/t$nr.ok" > "$tmp/list"
	got=$(sh tests/summary.sh "$tmp/list" | tail -n 1)
	case $got in
	*' 0 failed') [ -f "$tmp/t$nr.ok" ] || got="$got, no stamp" ;;
	*) [ ! -f "$tmp/t$nr.ok" ] || got="$got, a stamp" ;;
	esac
	if [ "$got" = "$3" ] && [ "$status" = 0 ]; then
		echo "ok $nr - $1"
	else
		bad=$((bad + 1))
		echo "not ok $nr - $1"
		echo "# want $3, got $got (exit status $status)"
	fi
}

counts "two pass" 'echo 1..2; echo ok 1; echo ok 2' "2 passed, 0 failed"
counts "one fails" 'echo 1..2; echo ok 1; echo not ok 2; exit 1' \
	"1 passed, 1 failed"
counts "dies after one of two" 'echo 1..2; echo ok 1; kill -SEGV $$' \
	"1 passed, 1 failed"
counts "stops early with success" 'echo 1..3; echo ok 1' "1 passed, 2 failed"
counts "fails after all cases passed" 'echo 1..1; echo ok 1; exit 3' \
	"1 passed, 1 failed"
counts "says nothing" 'exit 0' "0 passed, 1 failed"
counts "hangs" 'echo 1..1; sleep 20' "0 passed, 1 failed"
counts "skips all" 'echo no such device; exit 77' "0 passed, 0 failed"
counts "skips one" 'echo 1..2; echo ok 1; echo "not ok 2 # SKIP x"' \
	"1 passed, 0 failed"

nr=$((nr + 1))
echo "$tmp/missing.ok" > "$tmp/list"
if sh tests/summary.sh "$tmp/list" > "$tmp/out"; then
	bad=$((bad + 1))
	echo "not ok $nr - a test without result is a failure"
else
	echo "ok $nr - a test without result is a failure"
fi
echo "1..$nr"
[ "$bad" = 0 ]
