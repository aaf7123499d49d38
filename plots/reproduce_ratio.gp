# All reproduced points: emulated over published.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/reproduce_ratio.gp reproduce.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

# Sets in the order in which they come, of those with a number that has a ratio.
array name[64]
n = 0
at(s) = (r = 0, sum [i = 1:n] (name[i] eq s ? (r = i, 0) : 0), r)
has(x) = valid(6) && column("published") != 0
stats data using (has(0) && !at(strcol("set")) ? (n = n + 1, name[n] = strcol("set"), n) : 0) \
	nooutput name "S"
set title "Emulated over published, every point that is modelled\n{/*0.85 constants fitted on C1 and C4 (H01 and H03 are the same); all others are predictions}"
set ylabel "emulated / published, log scale"
set xlabel "curve or headline"
set logscale y 2
set yrange [0.125:16]
set ytics ("1/8" 0.125, "1/4" 0.25, "1/2" 0.5, "1" 1, "2" 2, "4" 4, "8" 8, "16" 16)
set xrange [0.4:n + 0.6]
unset xtics
do for [i = 1:n] { set xtics add (name[i] i) }
set xtics scale 0 rotate by 90 right font small
set rmargin 8
set object 1 rectangle from graph 0, first 0.65 to graph 1, first 1.35 \
	behind fillcolor rgb "#e5f2ec" fillstyle solid noborder
set label "within\n35 %" at n + 0.8, 1.1 left textcolor rgb green
unset key
plot 1 with lines linecolor rgb grey, \
	data using (has(0) ? at(strcol("set")) + \
		0.3 * (rand(0) - 0.5) : NaN):(column("emulated") / column("published")) \
	with points linecolor rgb blue pointtype 6 pointsize 0.9
