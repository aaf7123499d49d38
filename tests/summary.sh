# summary.sh LIST - add up the results that run.sh left for the stamps in LIST
# and end with the line "N passed, N failed". Exit 1 if any failed.
passed=0 failed=0 skipped=0
for stamp in $(cat "$1"); do
	if [ -f "$stamp" ]; then
		result=$stamp
	elif [ -f "$stamp.bad" ]; then
		result=$stamp.bad
		echo "failed: $(basename "$stamp" .ok) (see $stamp.log)"
	else
		echo "failed: $(basename "$stamp" .ok) (left no result)"
		failed=$((failed + 1))
		continue
	fi
	read -r p f s < "$result"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
