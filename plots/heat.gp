# Time of workloads under strategies, against deferred: a cell each, a row for each
# strategy, as there are many.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/heat.gp heat.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2; height = 760
load system("dirname '".ARG0."'")."/style.gp"

# Rows and columns in the order in which they come.
nw = 0; ns = 0
array work[32]
array way[64]
col(w) = (r = 0, sum [i = 1:nw] (work[i] eq w ? (r = i, 0) : 0), r)
row(s) = (r = 0, sum [i = 1:ns] (way[i] eq s ? (r = i, 0) : 0), r)
two_lines(s) = (k = strstrt(s, " ")) ? s[1:k - 1]."\n".s[k + 1:*] : \
	(k = strstrt(s, "-")) ? s[1:k]."\n".s[k + 1:*] : s
stats data using (machine = strcol("machine"), profile = strcol("profile"), \
	kernel = strcol("kernel"), \
	col(strcol("workload")) ? 0 : (nw = nw + 1, work[nw] = strcol("workload"), 0), \
	row(strcol("flush")) ? 0 : (ns = ns + 1, way[ns] = strcol("flush"), 0), \
	column("ratio")) nooutput name "R"
set title sprintf("Time under each flush strategy, against 'deferred' (Linux)\n{/*0.85 %s, kernel %s}", modelled(profile, machine), kernel)
set lmargin 16
set bmargin 4
set xrange [0.5:nw + 0.5]
set yrange [ns + 0.5:0.5]
unset grid
unset xtics
unset ytics
do for [i = 1:nw] { set xtics add (two_lines(work[i]) i) }
do for [i = 1:ns] { set ytics add (way[i] i) }
set xtics scale 0 noenhanced font small
set ytics scale 0 noenhanced font small
set border 0
# Blue is faster, orange is slower, white is no change; lightness says it too.
set palette defined (-1 "#0072b2", 0 "#ffffff", 1 "#e69f00")
set cbrange [-2:2]
set cbtics ("≤ 1/4" -2, "1/2" -1, "1" 0, "2" 1, "≥ 4" 2) scale 0
set cblabel "time, ratio" offset 1
unset key
clip(x) = x < -2 ? -2 : x > 2 ? 2 : x
is_dark(ratio) = ratio < 0.33
cell(ratio) = sprintf("%.2f", ratio)
set style fill solid 1 noborder
plot data using (col(strcol("workload"))):(row(strcol("flush"))):(0.5):(0.5): \
		(clip(log(column("ratio")) / log(2))) with boxxyerror \
		fillcolor palette, \
	data using (col(strcol("workload"))):(row(strcol("flush"))): \
		(is_dark(column("ratio")) ? "" : cell(column("ratio"))) \
		with labels textcolor rgb ink font small, \
	data using (col(strcol("workload"))):(row(strcol("flush"))): \
		(is_dark(column("ratio")) ? cell(column("ratio")) : "") \
		with labels textcolor rgb "white" font small
