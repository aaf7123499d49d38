# Cycles per access of a pointer chase against the number of pages, emulated and
# measured (docs/staircase.md says on what).
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/staircase.gp staircase.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

# Zen 5 guest, 2 vCPUs, nested paging: pages, lowest, highest of three runs.
$host << EOD
pages,low,high
96,4,4
128,11,11
4096,35,52
5120,68,77
8192,101,116
16384,208,208
65536,314,314
EOD

set title "Pointer chase, one line in each 4K page: cycles per access\n{/*0.85 lines: emulated, on hardware and as a guest; points: measured in a Zen 5 guest}"
set xlabel "pages, log scale"
set ylabel "core cycles per access, log scale"
set logscale xy
set xrange [16:80000]
set yrange [0.8:1000]
set xtics (16, 64, 96, 256, 512, 1536, 4096, 16384, 65536)
set key top left reverse Left samplen 3
array name[4] = ["zen5-turin", "skylake-sp", "sapphire-rapids", "zen5-turin guest"]
array colour[4] = [blue, red, green, blue]
array dash[4] = [1, 1, 1, 2]
array page[4] = [64, 96, 1536, 4096]
do for [i = 1:4] {
	set arrow from page[i], graph 0 to page[i], graph 0.60 nohead \
		linecolor rgb pale
}
only(n) = strcol("design") eq n ? column("cycles per access") : NaN
set datafile missing NaN
plot for [i = 1:4] data using "pages":(only(name[i])) with linespoints \
		linecolor rgb colour[i] linewidth 2 pointtype 7 pointsize 0.4 \
		dashtype dash[i] title name[i], \
	$host using "pages":(sqrt(column("low") * column("high"))):"low":"high" \
		with yerrorbars linecolor rgb black pointtype 4 pointsize 1 \
		title "Zen 5 guest, measured"
