# run.sh STAMP COMMAND... - run one test program, whose output is TAP, and write
# "passed failed skipped" to STAMP when nothing failed, to STAMP.bad otherwise.
#
# Always exits 0 unless it could not work itself: tests/summary.sh turns a
# failure into an exit status, after all tests have run. A program that dies,
# runs longer than TEST_TIMEOUT seconds or prints less than its plan promised is
# a failure; exit status 77 is a skip, its last line the reason.
stamp=$1
shift
log=$stamp.log
rm -f "$stamp" "$stamp.bad" || exit 1
mkdir -p "$(dirname "$stamp")" || exit 1

# Under a name of its own, so that two ninjas at once do not mix their logs.
CMOCKA_MESSAGE_OUTPUT=TAP timeout "${TEST_TIMEOUT:-900}" "$@" \
	> "$log.$$" 2>&1 < /dev/null
status=$?
mv "$log.$$" "$log" || exit 1
name=$(basename "$stamp" .ok)
set -- $(awk '
	/^ok .*# [Ss][Kk][Ii][Pp]/ { skipped++; next }
	/^ok /                    { passed++ }
	/^not ok .*# [Ss][Kk][Ii][Pp]/ { skipped++; next }
	/^not ok /                { failed++ }
	/^1\.\.[0-9]+/            { planned += substr($1, 4) }
	END { print passed + 0, failed + 0, skipped + 0, planned + 0 }' "$log")
passed=$1 failed=$2 skipped=$3 planned=$4

missing=$((planned - passed - failed - skipped))
if [ "$status" = 77 ] && [ "$failed" = 0 ]; then
	skipped=$((skipped + 1))
	echo "$name: skipped: $(tail -n 1 "$log")"
elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
	failed=1
elif [ "$missing" -gt 0 ]; then
	failed=$((failed + missing))
elif [ "$((passed + failed + skipped))" = 0 ]; then
	failed=1                # no case at all is no success
fi

if [ "$failed" = 0 ]; then
	echo "$passed $failed $skipped" > "$stamp"
else
	echo "$passed $failed $skipped" > "$stamp.bad"
	echo "--- $name: $failed failed, exit status $status"
	grep -av '^ok ' "$log"
	echo "---"
fi
exit 0
