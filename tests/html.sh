# html.sh - the page of --html in a browser: keys, slider, the fixed kernel beside
# it, the marks. Output is TAP; 77 where there is no Chromium.
B=${BUILD:-build/opt}
for c in chromium chromium-browser google-chrome; do
	command -v $c > /dev/null && browser=$c && break
done
[ -n "$browser" ] || { echo "1..0 # SKIP no chromium (Debian package chromium)"; exit 77; }
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
"$B/tlbemu" race R07 --row V0 --html "$D/page.html" > "$D/table" || exit 1

# Drive the page as a person does, and write down what it shows.
cat > "$D/drive.js" << 'END'
<script>
const out = [];
const count = () => document.getElementById("count").textContent;
const key = k => document.dispatchEvent(new KeyboardEvent("keydown", { key: k, cancelable: true }));
const say = (name, value) => out.push(name + "=" + value);
const runsShown = () => document.querySelectorAll("#runs .run").length;
say("begin", count());
key("ArrowRight"); key("ArrowRight"); key("ArrowRight");
say("right3", count());
key("ArrowLeft");
say("left1", count());
key("Home"); key("ArrowLeft");
say("home", count());
key("End"); key("ArrowRight");
say("end", count());
say("verdict", document.querySelector("#runs .lost").textContent.slice(0, 3));
const slider = document.getElementById("slider");
const steps = runs[0].steps, lost = steps.findIndex(s => s.lost !== undefined);
slider.value = lost;
slider.dispatchEvent(new Event("input"));
say("slider", count() === "step " + lost + " of " + (steps.length - 1));
say("victim", document.querySelectorAll("#runs .card.moved .lost").length);
say("row", document.querySelectorAll(".events tr.now td.lost").length);
/* Every step marks what changed, or changed only what is not shown. */
let marked = 0;
for (let i = 1; i < steps.length; i++) {
	go(i);
	marked += document.querySelectorAll("#runs .changed, #runs .card.moved").length > 0;
}
say("marked", marked === steps.length - 1);
say("one", runsShown());
key("f");
say("beside", runsShown());
key("End");
say("fixed", [...document.querySelectorAll("#runs .run")].at(-1).textContent.includes("nothing is lost"));
key("f");
say("alone", runsShown() + " " + count());
say("wide", document.documentElement.scrollWidth <= document.documentElement.clientWidth);
document.documentElement.dataset.result = out.join("|");
</script>
END
sed -i -e "\$d" "$D/page.html" && cat "$D/drive.js" >> "$D/page.html" && echo '</html>' >> "$D/page.html"
n=0 bad=0
check() {
	n=$((n + 1))
	case "|$got|" in
	*"|$1|"*) echo "ok $n - $2, $w px: $1" ;;
	*) bad=1; echo "not ok $n - $2, $w px: $1"; echo "#   got $got" ;;
	esac
}
for w in 1280 800; do
	dom=$(timeout 100 "$browser" --headless=new --no-sandbox --disable-gpu \
		--user-data-dir="$D/profile" --window-size=$w,900 \
		--virtual-time-budget=5000 --dump-dom "file://$D/page.html" 2> "$D/log")
	got=$(printf '%s' "$dom" | sed -n 's/.*data-result="\([^"]*\)".*/\1/p' | head -n 1)
	[ -n "$got" ] || sed 's/^/# /' "$D/log" | tail -n 5
	end=$(printf %s "$got" | sed -n 's/.*|end=step \([0-9]*\) of.*/\1/p')
	check "begin=step 0 of $end" "begins at the stage"
	check "right3=step 3 of $end" "arrow right"
	check "left1=step 2 of $end" "arrow left"
	check "home=step 0 of $end" "nothing is before the first step"
	check "end=step $end of $end" "nothing is after the last"
	check "verdict=O1:" "the last step says what was lost"
	check "slider=true" "the slider goes to a step"
	check "victim=1" "the victim store is marked on its CPU"
	check "row=1" "and in the table of events"
	check "marked=true" "each step shows what changed"
	check "one=1" "one run"
	check "beside=2" "the fixed kernel beside it"
	check "fixed=true" "which loses nothing"
	check "alone=1 step $end of $end" "and away again"
	check "wide=true" "nothing is wider than the window"
done
echo "1..$n"
exit $bad
