# Share of NUMA hint faults on the page's own node, over modelled time.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_locality.gp locality.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set xlabel "modelled time [ms]"
set ylabel "hint faults on the page's own node [%]"
set yrange [0:105]
set key bottom right
is(what, v) = stringcolumn("role") eq what ? v : NaN
has(what) = int(system("grep -c '^".what.",' '".data."' || true"))

plot for [i = 1:3] who = word("'as it is' recommended fastest", i) \
	has(who) ? data : "+" using (has(who) ? column(2) : NaN): \
	(has(who) ? is(who, column(3)) : NaN) \
	with linespoints pt 7 ps 0.5 linewidth 2 \
	linecolor rgb word(red." ".green." ".blue, i) \
	title has(who) ? who : ""
