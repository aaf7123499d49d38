# Initiator's flush time of one mprotect call against the CPUs interrupted.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/latency_targets.gp latency_targets.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

# Where the threads reach the next node: its first target and its number.
last = 0; n = 0
array at[16]
stats data using (machine = strcol("machine"), kernel = strcol("kernel"), \
	pages = strcol("pages"), node = column("node"), \
	node > last && n < 16 ? (n = n + 1, at[n] = column("targets"), 0) : 0, \
	last = node, column("targets")) nooutput name "X"
stats data using (column("page [ns]")) nooutput name "Y"
top = Y_max / 1e3 * 1.3

set title sprintf("mprotect of %s pages: time the caller spends on flushing\n{/*0.85 machine %s, kernel %s, sockets filled one after the other}", \
	pages, machine, kernel)
set xlabel "CPUs interrupted"
set ylabel "flush time of one mprotect call [µs]"
set yrange [0:top]
set xrange [0:X_max + 1]
set xtics 0, 4
set key top left Left reverse samplen 3

do for [i = 1:n] {
	set arrow from at[i] - 0.5, 0 to at[i] - 0.5, top nohead \
		linecolor rgb grey dashtype 3
	set label sprintf("socket %d joins", i + 1) at at[i] - 0.2, top * 0.97 \
		left textcolor rgb "#555555"
}
plot for [i = 1:4] data using "targets":(column(strategy[i]." [ns]") / 1e3) \
	with lines linestyle i title strategy[i]
