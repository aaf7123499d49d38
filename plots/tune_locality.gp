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
array has_faults[4]; array has_lines[4]
do for [i = 1:4] { has_faults[i] = has(i, 3); has_lines[i] = has(i, 4) }

plot for [i = 1:4] data using (has_lines[i] ? column(2) / per : NaN):(is(i, 4)) \
	with lines linewidth 2.5 linecolor rgb hue(i) \
	title has_lines[i] ? word(roles, i).": lines of memory" : "", \
     for [i = 1:4] data using (has_faults[i] ? column(2) / per : NaN):(is(i, 3)) \
	with linespoints pt 7 ps 0.6 linewidth 1 dashtype 2 \
	linecolor rgb hue(i) \
	title has_faults[i] ? word(roles, i).": hint faults" : ""
