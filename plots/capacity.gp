# Misses against entries, by ways and page size: a capacity curve.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/capacity.gp capacity.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (trace = strcol("trace"), all = column("accesses")) nooutput name "X"
base = system(sprintf("basename '%s'", trace))
set title sprintf("What if: misses of one LRU level by entries, %s\n{/*0.85 data accesses, every size and shape from one pass}", base)
set xlabel "entries, log scale"
set ylabel "misses [% of accesses], log scale"
set logscale x 2
set logscale y
set format y "%g"
set key top right
array page[2] = ["4k", "2m"]
array colour[2] = [blue, red]
array kind[3] = ["4", "8", "full"]
ways(k) = kind[k] eq "full" ? strcol("index") eq "full" \
	: strcol("ways") eq kind[k] && strcol("index") ne "full"
text(k) = kind[k] eq "full" ? "full" : kind[k]." ways"
set datafile missing NaN
plot for [p = 1:2] for [k = 1:3] data using \
	(strcol("page") eq page[p] && ways(k) ? column("entries") : NaN):"share [%]" \
	with linespoints linecolor rgb colour[p] dashtype 4 - k \
	pointtype (k == 3 ? 7 : 3 + k) pointsize 0.8 linewidth 2 \
	title page[p]." pages, ".text(k)
