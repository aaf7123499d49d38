# layers.sh [DIR] - includes point downwards only. Output is TAP.
#
# tests, emu -> workloads -> mm -> cpu -> tlb -> base; always "folder/file.h".
# Beside these, emu -> host -> calib -> base: measuring a machine, and the one we
# run on, know nothing of the modelled one.
# hwloc is included by cpu/topology.c alone, PAPI by host/papi.c, libsde by
# emu/sde.c, and below emu/ nothing prints to stdout or exits (but a child
# process that tries a file).
# Without DIR the checks first prove, on files made up here, that they can fail.
case_nr=0 bad=0

# check NAME, offending lines on stdin
check() {
	case_nr=$((case_nr + 1))
	lines=$(cat)
	if [ -z "$lines" ]; then
		echo "ok $case_nr - $1"
	else
		bad=$((bad + 1))
		echo "not ok $case_nr - $1"
		echo "$lines" | sed 's/^/#   /'
	fi
}

sources() {
	find "$@" -type f \( -name '*.[chS]' -o -name '*.def' \) 2>/dev/null
}

# includes FOLDER ALLOWED: quoted includes that start with none of ALLOWED
includes() {
	grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' \
		$(sources "$1") /dev/null |
		grep -Ev "\"($2)/[a-z0-9_/.-]*\""
}

layers() {
	check "base includes base" <<-EOF
	$(includes base 'base')
	EOF
	check "calib includes calib and base" <<-EOF
	$(includes calib 'calib|base')
	EOF
	check "host includes host, calib and base" <<-EOF
	$(includes host 'host|calib|base')
	EOF
	check "tlb includes tlb and below" <<-EOF
	$(includes tlb 'tlb|base')
	EOF
	check "cpu includes cpu and below" <<-EOF
	$(includes cpu 'cpu|tlb|base')
	EOF
	check "mm includes mm and below" <<-EOF
	$(includes mm 'mm|cpu|tlb|base')
	EOF
	check "workloads include workloads and below" <<-EOF
	$(includes workloads 'workloads|mm|cpu|tlb|base')
	EOF
	check "emu includes anything but tests" <<-EOF
	$(includes emu 'emu|workloads|mm|cpu|tlb|host|calib|base')
	EOF
	check "tests include with a folder" <<-EOF
	$(includes tests 'tests|emu|workloads|mm|cpu|tlb|host|calib|base')
	EOF
	check "hwloc is cpu/topology.c's alone" <<-EOF
	$(grep -ln '<hwloc' $(sources base calib host tlb cpu mm workloads emu) /dev/null |
		grep -v '^cpu/topology\.c$')
	EOF
	check "PAPI is host/papi.c's alone" <<-EOF
	$(grep -ln '<papi' $(sources base calib host tlb cpu mm workloads emu) /dev/null |
		grep -v '^host/papi\.c$')
	EOF
	check "libsde is emu/sde.c's alone" <<-EOF
	$(grep -ln '<sde_lib' $(sources base calib host tlb cpu mm workloads emu) /dev/null |
		grep -v '^emu/sde\.c$')
	EOF
	check "nothing below emu prints to stdout or exits" <<-EOF
	$(grep -EHn '(^|[^a-z_])(v?printf|puts|putchar|perror|_?exit|err|errx|warn|warnx)\(' \
		$(sources base calib host tlb cpu mm workloads) /dev/null |
		grep -Ev ':[[:space:]]*(/?\*|//)' |
		grep -v '^cpu/topology\.c:[0-9]*:.*_exit(can_load_xml')
	EOF
}

if [ -n "$1" ]; then
	cd "$1" || exit 1
	layers
	echo "1..$case_nr"
	[ "$bad" = 0 ]
	exit
fi

self=$(realpath "$0")
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# One tree with all these lines, each in a file of its own; cases is what is to be
# said of them.
nr=0
plant() {
	nr=$((nr + 1))
	file=$(dirname "$2")/n$nr-$(basename "$2")
	[ "$2" != cpu/topology.c ] || file=$2
	mkdir -p "$tmp/tree/$(dirname "$file")"
	printf "%s\n" "$3" > "$tmp/tree/$file"
	printf "%s\t%s\t%s\n" "$1" "$file" "$3" >> "$tmp/cases"
}

catches() { plant catches "$@"; }
passes() { plant passes "$@"; }

catches base/x.c '#include "tlb/tlb.h"'
catches tlb/x.h '#include "cpu/cpu.h"'
catches cpu/x.c '# include "mm/mm.h"'
catches mm/x.c '#include "workloads/workload.h"'
catches workloads/x.c '#include "emu/explorer.h"'
catches emu/x.c '#include "tests/check.h"'
catches mm/x.c '#include "mm.h"'
catches mm/deep/x.c '#include "../base/err.h"'
catches calib/x.c '#include "host/clock.h"'
catches host/x.c '#include "cpu/cpu.h"'
catches cpu/x.c '#include "host/clock.h"'
catches mm/x.c '#include <hwloc.h>'
catches cpu/x.c '#include <papi.h>'
catches host/x.c '#include <sde_lib.h>'
catches tlb/x.c '	printf("hello");'
catches mm/x.c '	exit(1);'
passes mm/x.c '#include "cpu/cpu.h"'
passes cpu/topology.c '#include <hwloc.h>'
passes base/x.c '	fprintf(f, "hello");'

sh "$self" "$tmp/tree" > "$tmp/out" && echo "# the tree made up here passed"
while IFS='	' read -r what file line; do
	found=$(grep -c "^#   $file" "$tmp/out")
	check "$what '$line' in $file" <<-EOF
	$([ "$what$found" = catches1 ] || [ "$what$found" = passes0 ] ||
		echo "named $found times")
	EOF
done < "$tmp/cases"
layers
echo "1..$case_nr"
[ "$bad" = 0 ]
