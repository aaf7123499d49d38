# strategy_page.sh - do what docs/add-a-strategy.md says, on a copy: does its
# example build, and is it what the page says of it? Output is TAP.
B=${BUILD:-build/opt}
B=$(realpath "$B") || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
page=docs/add-a-strategy.md
mkdir -p "$D/mm/flush"
cp mm/flush/registry.def "$D/mm/flush" || exit 1
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$page" > "$D/mm/flush/every8.c"
line=$(grep -o 'FLUSH_STRATEGY([a-z0-9_]*)' "$page" | head -n 1)
echo "$line" >> "$D/mm/flush/registry.def"

n=0 bad=0
check() {
	n=$((n + 1))
	if eval "$2"; then echo "ok $n - $1"; else bad=1; echo "not ok $n - $1"; sed 's/^/#   /' "$D/log"; fi
}
flags="-std=gnu11 -D_GNU_SOURCE -I$D -I. -Wall -Wextra -Wno-unused-parameter -Werror -O1"
case $B in *san) flags="$flags -fsanitize=address,undefined --param asan-stack=0" ;; esac
libs=$(sed -n 's/^libs = //p' build.ninja | head -n 1)
build() {
	for f in "$D/mm/flush/every8.c" mm/flush/registry.c; do
		${CC:-gcc} $flags -c "$f" -o "$D/$(basename "$f").o" || return 1
	done
	${CC:-gcc} $flags emu/main.c "$D"/*.o "$B/libtlbemu.a" $libs -o "$D/tlbemu"
}
check "the page names the registry's line" '[ "$line" = "FLUSH_STRATEGY(every8)" ]'
check "one file and that line build" 'build > "$D/log" 2>&1'
run() { "$D/tlbemu" "$@" > "$D/log" 2>&1; }
check "it is listed" 'run list flush every8 && grep -q "eight pages" "$D/log"'
check "it closes the window on an unfixed kernel" \
	'run race thp-numa-migration --row V0 --flush every8 && grep -Eq "^V0 .* PASS " "$D/log"'
check "it can be compared" \
	'run compare mprotect-storm --flush deferred,every8,page --pages 32 --iterations 5 && grep -q every8 "$D/log"'
check "it is legal for what it claims" 'run matrix --flush every8 --op mprotect-down,munmap,fork,madv-free'
echo "1..$n"
exit $bad
