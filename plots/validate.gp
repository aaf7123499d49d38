# A chase on this host and on its model against the number of pages, from
# `tlbemu validate --machine FILE.ini -o validate.csv`.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/validate.gp validate.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title "Pointer chase on this host and on its model, at points that calibration did not use"
set xlabel "pages, log scale"
set ylabel "core cycles per access, log scale"
set logscale xy
set key top left reverse Left samplen 3
pages(what, v) = strcol("what") eq what ? v : NaN
plot data using "pages":(pages("chase 4k stride 1", column(5))) \
		with points pt 7 title "this host, 4K", \
	data using "pages":(pages("chase 4k stride 1", column(8))) \
		with lines lw 2 title "emulated, 4K", \
	data using "pages":(pages("chase 2m stride 1", column(5))) \
		with points pt 5 title "this host, 2M", \
	data using "pages":(pages("chase 2m stride 1", column(8))) \
		with lines lw 2 dt 2 title "emulated, 2M"
