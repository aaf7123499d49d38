# report.sh - the page that the demo ends in: well formed, complete, and in need
# of nothing else; and what the demo says without valgrind. Output is TAP.
b=${BUILD:-build/opt}
nr=0 bad=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# ok WHAT STATUS [DETAIL]
ok() {
	nr=$((nr + 1))
	if [ "$2" = 0 ]; then
		echo "ok $nr - $1"
	else
		bad=$((bad + 1))
		echo "not ok $nr - $1"
		[ -z "$3" ] || printf '%s\n' "$3" | sed 's/^/# /'
	fi
}

# refuses WHAT NEEDLE: DIR/report.txt is $tmp/d/report.txt; exit 2, one line
# that says NEEDLE, and no page
refuses() {
	rm -f "$tmp/d/report.html"
	said=$("$b/tlbemu" report "$tmp/d" 2>&1)
	status=$?
	case $said in
	*"$2"*) [ $status = 2 ] && [ ! -e "$tmp/d/report.html" ] &&
		[ "$(printf '%s\n' "$said" | wc -l)" = 1 ] ;;
	*) false ;;
	esac
	ok "$1" $? "exit status $status: $said"
}

# Tags that have an end must be closed in order; those of HTML that have none
# may not be. Scripts, styles and pictures from elsewhere are none.
well_formed() {
	tr '\n' ' ' < "$1" | sed 's/</\n</g' | awk '
	/^<!/ || /^[^<]/ || /^$/ { next }
	/^<\// { tag = $0; sub(/^<\//, "", tag); sub(/[ >].*/, "", tag)
		if (stack[n] != tag) {
			print "</" tag "> closes <" stack[n] ">"; exit 1 }
		n--; next }
	{ tag = $0; sub(/^</, "", tag); sub(/[ >\/].*/, "", tag)
	  if ($0 !~ />/) { print "open tag: " $0; exit 1 }
	  if ($0 ~ /\/>/ || tag == "meta" || tag == "br") next
	  stack[++n] = tag }
	END { if (n) { print "not closed: " stack[n]; exit 1 } }'
}

mkdir "$tmp/d"

# ---- one page of everything --------------------------------------------------------

printf 'row,found,states [states],note\nV0,FAIL,1234567,"a, ""b"" <i>&"\nV1,PASS,2,x\n' \
	> "$tmp/d/t.csv"
printf 'x <script>alert(1)</script> & y\n' > "$tmp/d/o.txt"
printf '<?xml version="1.0"?>\n<svg viewBox="0 0 1 1" id="gnuplot_canvas"><path d="M0 0"/></svg>\n' \
	> "$tmp/d/f.svg"
cat > "$tmp/d/report.txt" <<'X'
# a comment
title <b>Title</b> & more
section One
text a < b
command tlbemu run 'x'
table t.csv
table t.csv states, row
figure f.svg what it shows
figure f.svg again
output o.txt
X
said=$("$b/tlbemu" report "$tmp/d" 2>&1)
ok "a page of everything is made" $? "$said"
page=$tmp/d/report.html
said=$(well_formed "$page")
ok "it is well formed" $? "$said"
if command -v xmllint > /dev/null 2>&1; then
	# Knows no HTML 5 elements, so only its other complaints count.
	said=$(xmllint --html --noout "$page" 2>&1 | grep 'error' |
		grep -v 'Tag [a-z]* invalid')
	[ -z "$said" ]
	ok "xmllint finds no other error" $? "$said"
else
	nr=$((nr + 1))
	echo "ok $nr - xmllint # SKIP not installed"
fi
! grep -qi '<script\|<b>\|<i>' "$page"
ok "text and cells are escaped" $?
grep -q 'a, &quot;b&quot; &lt;i&gt;&amp;' "$page"
ok "a quoted cell keeps its comma and its quotes" $?
grep -q '<td class="n">1,234,567</td>' "$page" &&
	grep -q '<td class="bad">FAIL</td>' "$page"
ok "numbers stand right, grouped; verdicts have their colour" $?
grep -q '<tr><td class="n">2</td><td class="">V1</td></tr>' "$page"
ok "chosen columns come in the order chosen" $?
! grep -q 'gnuplot_canvas' "$page"
ok "no id is there twice" $?

printf 'title x\ntable s.csv\n' > "$tmp/d/report.txt"
printf 'set,series,x\nC2,5.17,1\n' > "$tmp/d/s.csv"
"$b/tlbemu" report "$tmp/d" 2> /dev/null && grep -q '<td class="">5.17</td>' "$page"
ok "a series' name may look like a number" $?

# ---- what is refused ------------------------------------------------------------------

said=$("$b/tlbemu" report "$tmp/nowhere" 2>&1)
status=$?
case $said in
*nowhere/report.txt*) [ $status = 2 ] ;;
*) false ;;
esac
ok "a directory that is not there, by what is missing of it" $? "$said"
echo 'text x' > "$tmp/d/report.txt"
refuses "a page without a title" "report.txt:1: expected 'title'"
printf 'title x\nparagraph y\n' > "$tmp/d/report.txt"
refuses "an unknown word" "report.txt:2: 'paragraph'"
printf 'title x\ntable no.csv\n' > "$tmp/d/report.txt"
refuses "a missing file" "no.csv: cannot open"
printf 'title x\ntable t.csv row, colour\n' > "$tmp/d/report.txt"
refuses "an unknown column" "no column 'colour'"
printf 'a,b\n1\n' > "$tmp/d/bad.csv"
printf 'title x\ntable bad.csv\n' > "$tmp/d/report.txt"
refuses "a short record" "record 2"
printf 'a,b\n"1,2\n' > "$tmp/d/bad.csv"
refuses "an open quote" "record 2"
printf '<svg><script>x</script></svg>' > "$tmp/d/bad.svg"
printf 'title x\nfigure bad.svg y\n' > "$tmp/d/report.txt"
refuses "a figure with a script" "<script"
printf '<svg><use href="https://example.org/x"/></svg>' > "$tmp/d/bad.svg"
refuses "a figure that loads something" 'href="http'
printf 'title x\n' > "$tmp/d/report.txt"
"$b/tlbemu" report "$tmp/d" -o /dev/full > /dev/null 2>&1
[ $? = 1 ]
ok "a full disk is exit status 1" $?

# ---- the demo --------------------------------------------------------------------------

TLBEMU=$b/tlbemu DEMO=$tmp/demo VALGRIND=no-such-valgrind \
	sh emu/demo.sh trace > "$tmp/said" 2>&1
status=$?
grep -q 'valgrind is not installed (apt-get install valgrind)' "$tmp/said" &&
	grep -q 'tests/data/sort.tlbt' "$tmp/demo/trace.part" && [ $status = 0 ]
ok "without valgrind the demo says so and uses a recorded trace" $? \
	"exit status $status: $(tail -n 3 "$tmp/said")"

TLBEMU=$b/tlbemu DEMO=$tmp/demo PLOTS=$tmp/none \
	sh emu/demo.sh figures > "$tmp/said" 2>&1
[ $? = 1 ] && grep -q "'ninja plots' draws it" "$tmp/said"
ok "without figures the demo says what draws them" $? "$(cat "$tmp/said")"

# A short search leaves rows unfinished, and never out.
TLBEMU=$b/tlbemu DEMO=$tmp/demo DEMO_ROW_SECONDS=0.05 \
	sh emu/demo.sh race > "$tmp/said" 2>&1
status=$?
{ echo "title x"; cat "$tmp/demo/race.part"; } > "$tmp/demo/report.txt"
said=$("$b/tlbemu" report "$tmp/demo" 2>&1) && [ $status = 0 ]
ok "the race's part of the demo makes a page" $? \
	"exit status $status: $said $(tail -n 2 "$tmp/said")"
missing=
for row in $(awk -F, 'NR > 1 { print $2 }' "$tmp/demo/verdicts.csv"); do
	grep -q "<td class=\"\">$(printf %s "$row" | sed "s/'/\&#39;/g")</td>" \
		"$tmp/demo/report.html" || missing="$missing $row"
done
[ -z "$missing" ] && [ "$(wc -l < "$tmp/demo/verdicts.csv")" -gt 10 ]
ok "every row of verdicts is in the page" $? "missing:$missing"
grep -q 'lost' "$tmp/demo/counterexample.txt" &&
	grep -q -- '--replay' "$tmp/demo/report.html"
ok "the losing schedule and its replay are in the page" $?
said=$(well_formed "$tmp/demo/report.html")
ok "that page is well formed" $? "$said"
said=$(grep -Eio '(src|href) *= *.?(https?:|//)[^ >]*|url\([^)]*|@import' \
	"$tmp/demo/report.html")
[ -z "$said" ]
ok "nothing in it comes from elsewhere" $? "$said"

echo "1..$nr"
[ $bad = 0 ]
