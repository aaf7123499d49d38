# numa_speed.sh - how much of the host's CPU time does a machine's minute take? numa02 at
# most a tenth of what the real run took, numa01 at most as long as that: published
# are 50.3 and 1270 s (3.7-rc6 with balancing, 48 threads; <20121123173205.GZ8218@suse.de>).
# Exit 1: one took longer. CPU time, not wall time: what else runs does not count much.
B=${BUILD:-build/opt}
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
bad=0

# cpu_seconds COMMAND...: user and system time of the command. A pipe's subshell has no
# children yet, so times writes to a file.
cpu_seconds() {
	(
		"$@" > /dev/null || exit 1
		times > "$D/times"
	) || return
	awk 'NR == 2 {
		for (i = 1; i <= 2; i++) {
			split($i, t, /[ms]/)
			s += 60 * t[1] + t[2]
		}
		printf "%.2f\n", s
	}' "$D/times"
}

# bound NAME SECONDS [OPTION...]
bound() {
	name=$1 most=$2
	shift 2
	took=$(cpu_seconds "$B/tlbemu" run "$name" --kernel v3.13 --progress never "$@")
	if [ -z "$took" ]; then
		echo "$name: did not run"
		bad=1
		return
	fi
	echo "$took $most" | awk -v name="$name" '{
		is_slow = $1 + 0 > $2 + 0
		printf "%-8s %8.2f s of CPU time, at most %.2f: %s\n", name, $1,
			$2, is_slow ? "TOO SLOW" : "inside"
		exit is_slow
	}' || bad=1
}

bound numa02 5.03
bound numa01 1270 --chunk 1M
exit $bad
