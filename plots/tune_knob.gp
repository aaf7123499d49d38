# Run time against one knob: every setting, the best of each value.
if (ARGC < 4) {
	printerr "usage: gnuplot -c tune_knob.gp knob_NAME.csv FIGURE.svg|.png TITLE NAME"
	exit status 2
}
data = ARG1; figure = ARG2; knob = ARG4
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set xlabel knob noenhanced offset 0, 0.5
stats data using "position" nooutput name "X"
stats data using (label = columnhead(3), column(3)) nooutput name "Y"
# As it is, it may have failed.
base = real(system("awk -F, 'NR > 1 && $5 > n { n = $5 } END { print n + 0 }' '".data."'"))
top = base > Y_max ? base : Y_max
is_ms = strstrt(label, "[ms]") > 0
per = is_ms && top >= 1e4 ? 1e3 : 1
set ylabel "run ".(per > 1 ? "time [s]" : label)
set xrange [-0.5:X_max + 0.5]
set key below samplen 2 height 0.7
# Decades apart: a logarithm shows both ends.
if (top > 4 * Y_min) {
	set logscale y 2
	set yrange [Y_min / per / 1.3:top / per * 1.3]
} else {
	set yrange [0:*]
}
set xtics noenhanced
if (X_max > 9) { set xtics rotate by -45 }

line = base <= 0 ? "" : "data using 1:($5 / per) with lines ".\
	"linewidth 2 dashtype 2 linecolor rgb red title 'as it is', "
eval "plot ".line."data using 1:($3 / per):xtic(2) with points pt 7 ps 0.6 ".\
	"linecolor rgb grey title 'settings', ".\
	"data using 1:($4 / per) with linespoints pt 7 ps 0.9 linewidth 2 ".\
	"linecolor rgb blue title 'best of each value'"
