# What each node's memory served over modelled time: as it is, and another setting.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_bandwidth.gp bandwidth.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using 2 nooutput name "X"
stats data using 3 nooutput name "N"
stats data using 4 nooutput name "Y"
per = X_max >= 1e4 ? 1e3 : 1
other = system("tail -n 1 '".data."' | cut -d, -f1")
hues = blue." ".red." ".green." ".purple." ".orange." ".sky." ".black." ".grey
is(what, n) = strcol("role") eq what && column(3) == n ? column(4) / 1024 : NaN

top = Y_max / 1024 * 1.08
# Steps of 1, 2 or 5, four at most.
decade = 10 ** floor(log10(top / 4))
step = decade * (top / 4 > 5 * decade ? 10 : top / 4 > 2 * decade ? 5 : 2)
set xrange [0:X_max / per * 1.02]
set yrange [0:top]
set ytics step
set lmargin at screen 0.11
set rmargin at screen 0.85
set multiplot title ARG3 font big textcolor rgb ink noenhanced
set key at screen 0.87, screen 0.88 left top reverse Left samplen 1.5
set ylabel "served [GiB/s]" offset 1
do for [panel = 1:2] {
	who = panel == 1 ? "as it is" : other
	set tmargin at screen panel == 1 ? 0.85 : 0.43
	set bmargin at screen panel == 1 ? 0.58 : 0.16
	set label 1 who at graph 0, graph 1.09 textcolor rgb ink
	set format x (panel == 1 ? "" : "%g")
	if (panel == 2) {
		unset key
		set xlabel "modelled time [".(per > 1 ? "s" : "ms")."]"
	}
	plot for [n = 0:int(N_max)] data using ($2 / per):(is(who, n)) \
		with lines linewidth 2 dashtype n + 1 \
		linecolor rgb word(hues, n + 1) title sprintf("node %d", n)
}
unset multiplot
