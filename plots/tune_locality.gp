# How local a program was over modelled time: lines from memory, hint faults.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_locality.gp locality.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
stats data using 2 nooutput name "X"
per = X_max >= 1e4 ? 1e3 : 1
set xlabel "modelled time [".(per > 1 ? "s" : "ms")."]" offset 0, 0.5
set ylabel "on the thread's own node [%]"
set xrange [0:*]
set yrange [0:105]
set key below maxcols 2 samplen 3 height 0.7
roles = "'as it is' recommended fastest 'best other'"
hue(i) = word(red." ".green." ".blue." ".purple, i)
is(i, c) = strcol("role") eq word(roles, i) ? column(c) : NaN
# A curve without a point is left out, of the key as well.
has(i, c) = int(system(sprintf("awk -F, '$1 == \"%s\" && $%d != \"\" { n++ } ".\
	"END { print n + 0 }' '%s'", word(roles, i), c, data)))
curves = ""
do for [i = 1:4] {
	if (has(i, 4)) { curves = curves.sprintf(", data using (column(2) / per):(is(%d, 4)) ".\
		"with lines linewidth 2.5 linecolor rgb hue(%d) title word(roles, %d).': lines of memory'", i, i, i) }
}
do for [i = 1:4] {
	if (has(i, 3)) { curves = curves.sprintf(", data using (column(2) / per):(is(%d, 3)) ".\
		"with linespoints pt 7 ps 0.6 linewidth 1 dashtype 2 ".\
		"linecolor rgb hue(%d) title word(roles, %d).': hint faults'", i, i, i) }
}
# None at all: an empty frame.
eval "plot NaN notitle".curves
