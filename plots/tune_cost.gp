# What balancing costs: shares of busy cycles, as it is and of the fastest.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_cost.gp cost.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
set ylabel "share of busy cycles [%]"
set yrange [0:*]
set style data histograms
set style histogram rowstacked
set style fill solid 1 noborder
set boxwidth 0.7
set xtics rotate by -30 left noenhanced
set key top left
set bmargin 8
label(role, name) = role eq "recommended" ? name." *" : name

plot data using 3:xtic(label(strcol(1), strcol(2))) linecolor rgb orange \
	title "scanning", \
     data using 4 linecolor rgb sky title "faults", \
     data using 5 linecolor rgb green title "copying", \
     data using 6 linecolor rgb red title "flushes (* recommended)"
