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
set xtics rotate by -90 left noenhanced font ",8"
set key outside top center horizontal
set bmargin 14
# A line a knob, without the prefix that they share.
short(s) = s[1:15] eq "numa_balancing_" ? s[16:*] : s
lines(s) = strstrt(s, " ") ? short(s[1:strstrt(s, " ") - 1])."\n".lines(s[strstrt(s, " ") + 1:*]) : short(s)
label(role, name) = strstrt(name, "=") == 0 ? name : role eq "recommended" ? lines(name)." *" : lines(name)

plot data using 3:xtic(label(strcol(1), strcol(2))) linecolor rgb orange \
	title "scanning", \
     data using 4 linecolor rgb sky title "faults", \
     data using 5 linecolor rgb green title "copying", \
     data using 6 linecolor rgb red title "flushes (* recommended)"
