# Run time against one knob: every setting, the best of each value.
if (ARGC < 4) {
	printerr "usage: gnuplot -c tune_knob.gp knob_NAME.csv FIGURE.svg|.png TITLE NAME"
	exit status 2
}
data = ARG1; figure = ARG2; knob = ARG4
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set xlabel knob noenhanced
stats data using "position" nooutput name "X"
stats data using (label = columnhead(3), column(3)) nooutput name "Y"
set ylabel "run time [".(strstrt(label, "[ms]") ? "ms" : "ns an access")."]"
set xrange [-0.5:X_max + 0.5]
set key above
# Decades apart: a logarithm shows both ends.
if (Y_max > 4 * Y_min) {
	set logscale y 2
	set yrange [Y_min / 1.3:Y_max * 1.3]
} else {
	set yrange [0:*]
}
set xtics noenhanced

plot data using 1:5 with lines linewidth 1 dashtype 2 linecolor rgb red \
	title "as it is", \
     data using 1:3:xtic(2) with points pt 7 ps 0.6 linecolor rgb grey \
	title "settings", \
     data using 1:4 with linespoints pt 7 ps 0.9 linewidth 2 \
	linecolor rgb blue title "best of each value"
