# Run time against overhead: every setting, the front, what is recommended.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_front.gp front.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set xlabel "overhead: scanning, faults, copying, flushes [million cycles]"
stats data using (label = columnhead(2), column(2)) nooutput
set ylabel "run time [".(strstrt(label, "[ms]") ? "ms" : "ns an access")."]"
set key above
set xrange [0:*]
# Decades apart: a logarithm shows both ends.
if (STATS_max > 4 * STATS_min) {
	set logscale y 2
	set yrange [STATS_min / 1.3:STATS_max * 1.3]
}
is(what, v) = stringcolumn("role") eq what ? v : NaN

plot data using 3:(is("other", column(2))) with points pt 7 ps 0.6 \
	linecolor rgb grey title "settings", \
     data using 3:(is("front", column(2))) with points pt 7 ps 0.9 \
	linecolor rgb sky title "front: none is better in both", \
     data using 3:(is("as it is", column(2))) with points pt 5 ps 1.2 \
	linecolor rgb red title "as it is", \
     data using 3:(is("recommended", column(2))) with points pt 9 ps 1.6 \
	linecolor rgb green title "recommended"
