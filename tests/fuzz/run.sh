# run.sh STAMP PROGRAM KIND [CORPUS...] - one fuzz target for FUZZ_SECONDS (20),
# KIND driver (tests/fuzz/driver.c) or libfuzzer. FUZZ_SEED repeats a run of the
# first. STAMP says "fine" or "finding"; exits 0 for both, so that the others
# run, too.
stamp=$1 program=$2 kind=$3
shift 3
seconds=${FUZZ_SECONDS:-20}
rm -f "$stamp" "$program.finding"
status=0
if [ "$kind" = libfuzzer ]; then
	rm -rf "$program.corpus"
	mkdir -p "$program.corpus"
	FUZZ_SEEDS_TO=$program.corpus "$program"
	for file; do
		[ -d "$file" ] && cp "$file"/* "$program.corpus"
		[ -f "$file" ] && head -c 65536 "$file" \
			> "$program.corpus/$(basename "$file")"
	done
	"$program" -max_total_time="$seconds" -max_len=65536 -timeout=20 \
		-rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
		-exact_artifact_path="$program.finding" "$program.corpus" \
		> "$program.log" 2>&1 || status=$?
	grep -a 'number_of_executed_units' "$program.log" |
		sed "s,^,$program: ,"
else
	"$program" -t "$seconds" -o "$program.finding" \
		${FUZZ_SEED:+-s "$FUZZ_SEED"} "$@" > "$program.log" 2>&1 ||
		status=$?
	tail -n 1 "$program.log"
fi
if [ "$status" = 0 ]; then
	echo fine > "$stamp"
else
	echo finding > "$stamp"
	tail -n 40 "$program.log"
	echo "$program: exit status $status"
	[ "$kind" = libfuzzer ] && echo "replay: $program $program.finding"
	echo "replay: build/fuzz/fuzz/$(basename "$program") -r $program.finding"
fi
exit 0
