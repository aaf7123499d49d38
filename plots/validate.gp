# This host and its model against the number of pages, from `tlbemu validate
# --machine FILE.ini -o validate.csv`: chases above, calls of the kernel below.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/validate.gp validate.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

# Two panels need the height of two.
eval sprintf("set terminal %s size 800,800", GPVAL_TERM)
set output figure
set xlabel "pages, log scale"
set logscale xy
set key top left reverse Left samplen 3
pages(what, threads, v) = strcol("what") eq what && \
	column("threads") == threads ? v : NaN
set multiplot layout 2, 1 title "This host and its model, at points that calibration did not use"
set ylabel "cycles an access, log scale"
plot data using "pages":(pages("chase 4k stride 1", 1, column(5))) \
		with linespoints pt 7 lt 1 lc rgb blue title "this host, 4K", \
	data using "pages":(pages("chase 4k stride 1", 1, column(8))) \
		with linespoints pt 6 lt 1 lc rgb red title "emulated, 4K", \
	data using "pages":(pages("chase 2m stride 1", 1, column(5))) \
		with linespoints pt 5 lt 1 lc rgb blue dt 2 title "this host, 2M", \
	data using "pages":(pages("chase 2m stride 1", 1, column(8))) \
		with linespoints pt 4 lt 1 lc rgb red dt 2 title "emulated, 2M"
set ylabel "cycles a call, log scale"
plot data using "pages":(pages("mprotect", 1, column(5))) \
		with linespoints pt 7 lt 1 lc rgb blue title "this host, mprotect alone", \
	data using "pages":(pages("mprotect", 1, column(8))) \
		with linespoints pt 6 lt 1 lc rgb red title "emulated, mprotect alone", \
	data using "pages":(pages("munmap", 2, column(5))) \
		with linespoints pt 5 lt 1 lc rgb blue dt 2 title "this host, munmap beside a thread", \
	data using "pages":(pages("munmap", 2, column(8))) \
		with linespoints pt 4 lt 1 lc rgb red dt 2 title "emulated, munmap beside a thread"
unset multiplot
