# C1: cycles of a flush against its pages, published and emulated.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/reproduce_c1.gp reproduce.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title "C1: cycles of a flush against its pages\n{/*0.85 published: D. Hansen 2014, i5-3320M; emulated: constants fitted on this curve and C4}"
set xlabel "pages flushed one by one"
set ylabel "cycles of the flush, tracing included"
set xrange [0:37]
set yrange [0:*]
set key top left Left reverse samplen 3
of(c) = strcol("set") eq "C1" && strcol("series") eq "ranged" ? column(c) : NaN
full(c) = strcol("set") eq "C1" && strcol("series") eq "full" ? column(c) : NaN
stats data using (full("published")) nooutput name "F"
set label sprintf("of everything: %.0f published and emulated", F_max) \
	at 36.5, F_max * 0.82 right textcolor rgb ink
plot data using (of("x")):(of("published")) with points linecolor rgb red \
		pointtype 7 pointsize 0.9 title "published", \
	data using (of("x")):(of("emulated")) with lines linecolor rgb blue \
		linewidth 2 title "emulated", \
	F_max with lines linecolor rgb grey dashtype 2 notitle
