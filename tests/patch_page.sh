# patch_page.sh - do what docs/check-your-patch.md says, on a copy, and look whether
# the verdicts are those of its table. Output is TAP.
B=${BUILD:-build/opt}
B=$(realpath "$B") || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
page=docs/check-your-patch.md
cp -r base tlb cpu mm workloads emu "$D" || exit 1
[ -d build ] && mkdir "$D/build" && cp build/*.h build/*.def "$D/build" 2> /dev/null

# Each diff: '+' lines go behind the context lines above them.
awk -v dir="$D" '
function flush_file(   i, out) {
	if (!file) return
	out = dir "/" file
	for (i = 1; i <= n; i++) print text[i] > out
	close(out)
	file = ""
}
function load(name) {
	flush_file()
	file = name; n = 0
	while ((getline line < (dir "/" file)) > 0) text[++n] = line
	close(dir "/" file)
	at = 0; missed = 0
}
function insert(line,   i) {
	for (i = n; i > at; i--) text[i + 1] = text[i]
	text[++at] = line; n++
}
/^```diff/ { on = 1; next }
/^```/ { if (on) flush_file(); on = 0; next }
!on { next }
/^--- a\// { load(substr($0, 7)); next }
/^\+\+\+ / { next }
/^@@/ { fresh = 1; np = 0; next }
/^\+/ { if (fresh && !anchored) pending[++np] = substr($0, 2); else insert(substr($0, 2)); next }
/^ / {
	want = substr($0, 2)
	if (anchored && text[at + 1] == want) { at++; next }
	for (i = at + 1; i <= n && text[i] != want; i++) ;
	if (i > n) { print "no such line in " file ": " want > "/dev/stderr"; bad = 1; exit 1 }
	at = i - 1
	for (k = 1; k <= np; k++) insert(pending[k])
	np = 0; at++; fresh = 0
	next
}
END { exit bad }
' "$page" || { echo "1..1"; echo "not ok 1 - the page applies to the sources"; exit 1; }
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$page" > "$D/workloads/races/my_patch.c"

flags="-std=gnu11 -D_GNU_SOURCE -I$D -Wall -Werror -O1"
case $B in *san) flags="$flags -fsanitize=address,undefined --param asan-stack=0" ;; esac
objs=
for f in mm/kernel mm/mprotect workloads/races/my_patch workloads/races/registry; do
	o=$D/$(basename $f).o
	${CC:-gcc} $flags -c "$D/$f.c" -o "$o" 2> "$D/log" || { sed 's/^/# /' "$D/log"; echo "1..1"; echo "not ok 1 - $f.c compiles"; exit 1; }
	objs="$objs $o"
done
libs=$(sed -n 's/^libs = //p' build.ninja | head -n 1)
${CC:-gcc} $flags "$D/emu/main.c" $objs "$B/libtlbemu.a" $libs -o "$D/tlbemu" 2> "$D/log" || { sed 's/^/# /' "$D/log"; echo "1..1"; echo "not ok 1 - it links"; exit 1; }
"$D/tlbemu" race my-patch -j1 > "$D/out"
status=$?
n=0 bad=0
check() {
	n=$((n + 1))
	if eval "$2"; then echo "ok $n - $1"; else bad=1; echo "not ok $n - $1"; sed 's/^/#   /' "$D/out"; fi
}
verdict() { grep -Eq "^$1 .* (PASS|FAIL) +$2 .*yes" "$D/out"; }
check "all as the page's rows expect" '[ $status = 0 ]'
check "ro: PASS" 'verdict ro PASS'
check "none: FAIL by O4" 'verdict none "FAIL +O4"'
check "ro-v2: PASS" 'verdict ro-v2 PASS'
check "none-v2: PASS" 'verdict none-v2 PASS'
check "the page shows v2 beside it" '"$D/tlbemu" race my-patch --row none --html "$D/none.html" > /dev/null && grep -q "skip-clean-v2" "$D/none.html"'
echo "1..$n"
exit $bad
