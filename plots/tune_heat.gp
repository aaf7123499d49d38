# Run time by two knobs, the best of all others. A combination that was not tried
# is left out.
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
stats data using (label = columnhead(5), column(5)) nooutput name "Z"
set xlabel xname noenhanced
set ylabel yname noenhanced
set xrange [-0.5:X_max + 0.5]
set yrange [-0.5:Y_max + 0.5]
unset grid
unset key
set tics scale 0
set xtics noenhanced
set ytics noenhanced
set style fill solid 1 noborder
set palette defined (0 "#ffffff", 1 "#d55e00")
set cbrange [1:Z_max > 1.001 * Z_min ? Z_max / Z_min : 1.001]
set cblabel "run time, against the fastest"

# Cells too small for two lines of text have one, or none.
is_ms = strstrt(label, "[ms]") > 0
human_time(v) = !is_ms ? (v >= 1e4 ? sprintf("%.3g us", v / 1e3) : \
	sprintf("%.4g ns", v)) : v >= 1e4 ? \
	sprintf("%.1f s", v / 1e3) : sprintf("%.4g ms", v)
text(v) = X_max > 11 || Y_max > 15 ? "" : X_max > 6 || Y_max > 6 ? \
	sprintf("%.2f", v / Z_min) : \
	sprintf("%.2f\n%s", v / Z_min, human_time(v))
if (X_max > 6) { set xtics rotate by -45 }

plot data using 1:2:($1 - 0.49):($1 + 0.49):($2 - 0.49):($2 + 0.49): \
	(column(5) / Z_min):xtic(3):ytic(4) with boxxyerror \
	fillcolor palette, \
     data using 1:2:(text(column(5))) with labels font small \
	textcolor rgb black
