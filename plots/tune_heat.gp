# Run time by two knobs, the best of all others.
if (ARGC < 3) {
	printerr "usage: gnuplot -c tune_heat.gp heat.csv FIGURE.svg|.png TITLE"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

set title ARG3 noenhanced
stats data using (xname = columnhead(3), yname = columnhead(4), column(1)) \
	nooutput name "X"
stats data using 2 nooutput name "Y"
stats data using 5 nooutput name "Z"
set xlabel xname noenhanced
set ylabel yname noenhanced
set xrange [-0.5:X_max + 0.5]
set yrange [-0.5:Y_max + 0.5]
unset grid
unset key
set xtics noenhanced
set ytics noenhanced
set palette defined (0 "#ffffff", 1 "#d55e00")
set cblabel "run time, against the fastest"

plot data using 1:2:(column(5) / Z_min):xtic(3):ytic(4) with image, \
     data using 1:2:(sprintf("%.2f", column(5) / Z_min)) with labels \
	font small textcolor rgb black
