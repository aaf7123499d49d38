# How many other pages are used between two uses of a page: share of accesses, by
# page size. What lies right of a TLB's size misses in it, if it were LRU.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/reuse.gp reuse.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (trace = strcol("trace"), column("accesses")) nooutput name "X"
base = system(sprintf("basename '%s'", trace))

# A bucket's place: 0, 1, 2-3, 4-7 ... are 0, 1, 2, 3 ...; first uses last.
last = 0
place(from) = from < 1 ? 0 : floor(log(from) / log(2) + 0.5) + 1
stats data using (last = place(column("from [pages]")) > last ? \
	place(column("from [pages]")) : last, last) nooutput name "P"
at(from) = valid(4) ? place(from) : last + 1
label(i) = i == 0 ? "0" : i == 1 ? "1" : \
	sprintf(i < 6 ? "%d-%d" : "%d-\n%d", 2 ** (i - 1), 2 ** i - 1)

set title sprintf("Reuse distance of pages, %s, data accesses\n{/*0.85 accesses beyond a TLB's size miss in it, were it fully associative LRU}", base)
set xlabel "other pages used since the page's last use" offset 0,-1
set bmargin 5
set ylabel "share of accesses [%], log scale"
set logscale y
set format y "%g"
set yrange [0.0001:200]
set xrange [-0.6:last + 1.6]
unset xtics
do for [i = 0:last] { set xtics add (label(i) i) }
set xtics add ("first\nuse" last + 1) nomirror
set key top right
array size[3] = ["4k", "2m", "1g"]
array colour[3] = [blue, orange, green]
array shape[3] = [7, 5, 9]
is(p) = strcol("uses") eq "data" && strcol("page") eq p
plot for [k = 1:3] data using (is(size[k]) ? \
	at(column("from [pages]")) + (k - 2) * 0.29 : NaN):"share [%]" \
	with points pointtype shape[k] pointsize 1.2 linecolor rgb colour[k] \
	title size[k]." pages"
