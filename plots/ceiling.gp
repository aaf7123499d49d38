# The best ceiling: what a ranged flush costs, against one of everything, and for
# how many pages both cost the same.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/ceiling.gp ceiling.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

array name[4] = ["haswell-ep", "skylake-sp", "ice-lake-sp", "zen3-milan"]
array colour[4] = [orange, blue, green, red]
array shape[4] = [7, 5, 9, 13]
array best[4]
ratio(x) = column("ranged [cycles]") / column("full [cycles]")
do for [i = 1:4] {
	# Between the last point below 1 and the first above, on the log scale.
	bx = 1; by = 0; best[i] = 0
	stats data using (strcol("profile") eq name[i] ? \
		(best[i] == 0 && ratio(0) >= 1 ? (best[i] = by > 0 ? \
			bx * (column("pages") / bx) ** ((1 - by) / (ratio(0) - by)) : \
			column("pages"), 0) : 0, bx = column("pages"), \
			by = ratio(0)) : 0) nooutput name "B"
}
set title "Flushing page by page or everything: where both cost the same\n{/*0.85 mprotect-storm, 4 CPUs, own working sets of 256 pages; cost: initiator, interrupted CPUs, refills}"
set xlabel "pages of the flush, log scale"
set ylabel "ranged flush / flush of everything, log scale"
set logscale xy 2
set xrange [1:256 * 1.1]
set key top left Left reverse samplen 3
set arrow from 33, graph 0 to 33, graph 1 nohead linecolor rgb grey dashtype 3
set label "Linux: 33" at 34.5, graph 0.05 left textcolor rgb "#555555"
label(i) = best[i] > 0 ? sprintf("%s: best %.0f", name[i], best[i]) : \
	name[i].": ranged is always cheaper"
plot 1 with lines linecolor rgb grey notitle, \
	for [i = 1:4] data using (strcol("profile") eq name[i] ? \
		column("pages") : NaN):(ratio(0)) with linespoints \
		linecolor rgb colour[i] linewidth 2 pointtype shape[i] \
		pointsize 0.7 title label(i)
