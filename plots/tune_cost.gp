# What balancing costs: shares of busy cycles, as it is and of the fastest.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_cost.gp cost.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
stats data using (names = columnhead(2), column(3)) nooutput
set xlabel "share of busy cycles [%]; fastest setting on top, * recommended" \
	offset 0, 0.5
set ylabel names noenhanced
set xrange [0:*]
set yrange [STATS_records - 0.5:-0.5]
set grid noytics xtics linecolor rgb "#e4e4e4" linewidth 1 linetype 1
set ytics noenhanced scale 0
set style fill solid 1 noborder
set key below samplen 1.5 height 0.7
label(role, name) = role eq "recommended" ? name." *" : name
sum(c) = sum [k = 3:c] column(k)

plot for [c = 3:6] data using (0):0:(sum(c) - column(c)):(sum(c)): \
	($0 - 0.36):($0 + 0.36):ytic(label(strcol(1), strcol(2))) \
	with boxxyerror \
	linecolor rgb word(orange." ".sky." ".green." ".red, c - 2) \
	title word("scanning faults copying flushes", c - 2)
