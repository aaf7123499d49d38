# C2: iterations a second against threads, published and emulated.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/reproduce_c2.gp reproduce.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title "C2: a storm of flushes, iterations a second\n{/*0.85 published: commit aa44284960d5, 56-core Skylake; emulated: predicted, not fitted}"
set xlabel "threads"
set ylabel "iterations per second [million]"
set xrange [0:57]
set yrange [0:1.6]
set key top left Left reverse samplen 3
of(s, c) = strcol("set") eq "C2" && strcol("series") eq s ? column(c) : NaN
set arrow from 28.5, graph 0 to 28.5, graph 1 nohead linecolor rgb grey dashtype 3
set label "socket 2 joins" at 29, graph 0.04 left textcolor rgb "#555555"
plot data using (of("5.17", "x")):(of("5.17", "published") / 1e6) \
		with points linecolor rgb orange pointtype 7 pointsize 0.9 \
		title "published, 5.17", \
	data using (of("patched", "x")):(of("patched", "published") / 1e6) \
		with points linecolor rgb blue pointtype 5 pointsize 0.9 \
		title "published, patched", \
	data using (of("5.17", "x")):(of("5.17", "emulated") / 1e6) \
		with lines linecolor rgb orange linewidth 2 title "emulated, v5.17", \
	data using (of("patched", "x")):(of("patched", "emulated") / 1e6) \
		with lines linecolor rgb blue linewidth 2 dashtype 2 title "emulated, v6.1"
