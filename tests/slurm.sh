# slurm.sh - `tlbemu sweep --slurm` against a real Slurm: munged, slurmctld and
# slurmd of the distribution, started here on loopback ports with files of their
# own, and stopped at the end. Output is TAP; exit status 77 says what is missing.
B=${BUILD:-build/opt}
T=$(realpath "$B/tlbemu") || exit 1
PATH=$PATH:/usr/sbin:/sbin
for p in munged slurmctld slurmd sbatch squeue scancel sinfo; do
	command -v $p > /dev/null || {
		echo "$p is not installed (apt-get install slurmctld slurmd slurm-client munge)"
		exit 77
	}
done
D=$(mktemp -d /tmp/tlbemu-slurm-XXXXXX) || exit 1
chmod 755 "$D"
pids=
stop() {
	[ -f "$D/slurmctld.pid" ] && scancel --quiet -u "$(id -un)" 2>/dev/null
	for p in $pids; do kill "$p" 2>/dev/null; done
	sleep 1
	for p in $pids; do kill -9 "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$D"
}
trap stop EXIT
trap 'exit 1' INT TERM

case_nr=0 bad=0
ok() {
	case_nr=$((case_nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $case_nr - $2"
	else
		bad=$((bad + 1))
		echo "not ok $case_nr - $2"
		for f in "$D"/a/*.log "$D"/slurmctld.log "$D"/slurmd.log; do
			[ -f "$f" ] && tail -n 5 "$f" | sed "s,^,#   $(basename "$f"): ,"
		done
	fi
}

# until_true SECONDS COMMAND...
until_true() {
	left=$(($1 * 5))
	shift
	while [ $left -gt 0 ]; do
		"$@" > /dev/null 2>&1 && return 0
		sleep 0.2
		left=$((left - 1))
	done
	return 1
}

# ---- a cluster of one node ----------------------------------------------------------

mkdir -p "$D/state" "$D/spool" "$D/munge"
chmod 755 "$D/munge"
dd if=/dev/urandom of="$D/munge/key" bs=64 count=1 2>/dev/null
chmod 400 "$D/munge/key"
host=$(hostname -s)
port=$((20000 + $$ % 20000))
cat > "$D/slurm.conf" <<-EOF
	ClusterName=tlbemu
	SlurmctldHost=$host(127.0.0.1)
	SlurmctldPort=$port
	SlurmdPort=$((port + 1))
	AuthType=auth/munge
	AuthInfo=socket=$D/munge/socket
	CryptoType=crypto/munge
	SlurmUser=$(id -un)
	SlurmdUser=$(id -un)
	StateSaveLocation=$D/state
	SlurmdSpoolDir=$D/spool
	SlurmctldPidFile=$D/slurmctld.pid
	SlurmdPidFile=$D/slurmd.pid
	SlurmctldLogFile=$D/slurmctld.log
	SlurmdLogFile=$D/slurmd.log
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	JobAcctGatherType=jobacct_gather/none
	AccountingStorageType=accounting_storage/none
	MpiDefault=none
	SwitchType=switch/none
	SchedulerParameters=sched_interval=1,batch_sched_delay=0
	ReturnToService=2
	SelectType=select/cons_tres
	SelectTypeParameters=CR_CPU
	SlurmdParameters=config_overrides
	NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
	PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF="$D/slurm.conf"

munged --foreground --force --key-file="$D/munge/key" \
	--socket="$D/munge/socket" --pid-file="$D/munge/pid" \
	--log-file="$D/munge/log" --seed-file="$D/munge/seed" \
	> "$D/munged.out" 2>&1 &
pids="$pids $!"
until_true 20 test -S "$D/munge/socket" || {
	echo "munged does not start here: $(tail -n 1 "$D/munged.out")"
	exit 77
}
slurmctld -D -c > "$D/slurmctld.out" 2>&1 &
pids="$pids $!"
slurmd -D -c > "$D/slurmd.out" 2>&1 &
pids="$pids $!"
is_up() { sinfo -h -o %T | grep -q idle; }
until_true 60 is_up || {
	echo "Slurm does not start here: $(cat "$D"/slurmctld.out "$D"/slurmd.out | tail -n 1)"
	exit 77
}

# ---- a sweep as a job array -----------------------------------------------------------

cat > "$D/s.ini" <<-EOF
	workload = mprotect-storm
	machine = pack:1 [numa(memory=64MB)] core:2 pu:1
	iterations = 3
	own-pages = 1
	[sweep]
	seed = 1..12
	flush = deferred, full
EOF
is_empty() { [ -z "$(squeue -h)" ]; }

"$T" sweep "$D/s.ini" --db "$D/one.db" --export csv -o "$D/one.csv" 2> /dev/null
ok $? "undisturbed, in one process"

out=$("$T" sweep "$D/s.ini" --slurm "$D/a" --tasks 4)
status=$?
echo "# $out"
case $out in job*': 4 tasks') ;; *) status=1 ;; esac
ok $status "a job array of four tasks is submitted"
until_true 120 is_empty
ok $? "it ends"
"$T" sweep "$D/s.ini" --db "$D/all.db" --collect "$D/a" 2>&1 | sed 's/^/# /'
"$T" sweep "$D/s.ini" --db "$D/all.db" --export csv --status -o "$D/all.csv" 2> /dev/null
ok $? "collected, every point is there"
cmp "$D/one.csv" "$D/all.csv" > /dev/null
ok $? "the same bytes as in one process"
out=$("$T" sweep "$D/s.ini" --slurm "$D/a" --tasks 4)
case $out in 'not submitted: 4 tasks complete'*) ok 0 "again: nothing to do" ;;
*) ok 1 "again: nothing to do ($out)" ;; esac

# ---- a task that is killed --------------------------------------------------------------

# Many points, so that it is still running when it is killed.
sed 's/^seed.*/seed = 1..400/' "$D/s.ini" > "$D/long.ini"
"$T" sweep "$D/long.ini" --slurm "$D/b" --tasks 2 | sed 's/^/# /'
has_points() {
	n=$("$T" sweep --db "$D/b/$1.db" --status 2>/dev/null |
		sed -n 's/.*: \([0-9]*\) points.*/\1/p')
	[ "${n:-0}" -gt 3 ]
}
until_true 60 has_points 0 && until_true 60 has_points 1
ok $? "both tasks have begun"
out=$("$T" sweep "$D/long.ini" --slurm "$D/b" --tasks 2)
case $out in 'not submitted: 0 tasks complete, 2 running'*) status=0 ;; *) status=1 ;; esac
ok $status "what runs is not submitted twice ($out)"
scancel --signal=KILL --full "$(squeue -h -r -o %i | sort | head -n 1)"
killed() { [ "$(squeue -h -r | wc -l)" = 1 ]; }
until_true 60 killed
ok $? "one of them is killed"
"$T" sweep "$D/long.ini" --db "$D/long.db" --collect "$D/b" > "$D/out" 2>&1
[ $? = 3 ] && grep -q missing "$D/out"
ok $? "collected now, points are missing: $(tail -n 1 "$D/out" | sed 's/.*: //')"
out=$("$T" sweep "$D/long.ini" --slurm "$D/b" --tasks 2)
echo "# $out" | head -n 1
case $out in job*': 1 task'*) status=0 ;; *) status=1 ;; esac
ok $status "submitted again, that task alone"
until_true 300 is_empty
ok $? "it ends"
"$T" sweep "$D/long.ini" --db "$D/long.db" --collect "$D/b" > "$D/out" 2>&1
ok $? "every point is there: $(tail -n 1 "$D/out" | sed 's/.*: //')"
"$T" sweep --db "$D/long.db" --export csv --columns elapsed 2> /dev/null |
	cut -d, -f 1,2 | sort | uniq -d | grep -q .
[ $? = 1 ]
ok $? "none is there twice"
echo "1..$case_nr"
[ $bad = 0 ]
