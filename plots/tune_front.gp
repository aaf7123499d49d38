# Run time against overhead: every setting, the front, what is recommended.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_front.gp front.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set xlabel "overhead: scanning, faults, copying, flushes [million cycles]" \
	offset 0, 0.5
stats data using (label = columnhead(2), column(2)) nooutput
is_ms = strstrt(label, "[ms]") > 0
per = is_ms && STATS_max >= 1e4 ? 1e3 : 1
set ylabel "run ".(per > 1 ? "time [s]" : label)
set key below maxcols 2 samplen 2 height 0.7
stats data using 3 nooutput name "O"
set xrange [0:(O_max > 0 ? O_max * 1.08 : 1)]
set yrange [0:*]
# Decades apart: a logarithm shows both ends.
if (STATS_max > 4 * STATS_min) {
	set logscale y 2
	set yrange [STATS_min / per / 1.3:STATS_max / per * 1.3]
}
is(what) = strcol("role") eq what ? column(2) / per : NaN

plot data using 3:(column("front") == 1 ? column(2) / per : 1 / 0) with lines \
	linewidth 2 linecolor rgb sky notitle, \
     data using 3:(column("front") == 1 ? NaN : is("other")) \
	with points pt 7 ps 0.6 linecolor rgb grey title "settings", \
     data using 3:(column("front") == 1 ? is("other") : NaN) \
	with points pt 7 ps 0.9 linecolor rgb sky \
	title "front: none is better in both", \
     data using 3:(is("as it is")) with points pt 5 ps 1.2 \
	linecolor rgb red title "as it is", \
     data using 3:(is("recommended")) with points pt 9 ps 1.6 \
	linecolor rgb green title "recommended"
