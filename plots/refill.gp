# Refilling after a flush, of the CPU that was interrupted, against its working
# set.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/refill.gp refill.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (profile = strcol("profile"), column("pages")) nooutput name "X"
set title sprintf("Refilling the TLB after one flush of four pages\n{/*0.85 profile %s; walks of the interrupted CPU and of the initiator, per interrupt}", profile)
set xlabel "pages the interrupted CPU works on, 4K each, log scale"
set ylabel "page walks for what the flush dropped [µs]"
set logscale x 2
set xrange [X_min:X_max * 1.05]
set yrange [0:*]
set key top left Left reverse samplen 3
plot data using "pages":(column("full [ns]") / 1e3) with linespoints \
		linecolor rgb red linewidth 2 pointtype 7 pointsize 0.7 \
		title "flush of everything", \
	data using "pages":(column("ranged [ns]") / 1e3) with linespoints \
		linecolor rgb blue linewidth 2 pointtype 5 pointsize 0.7 \
		title "flush by page"
