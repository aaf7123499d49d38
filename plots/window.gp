# Uses of stale translations by the time since the entry changed.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/window.gp window.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (profile = strcol("profile"), machine = strcol("machine"), \
	kernel = strcol("kernel"), lost = column("lost_stores"), \
	column("stale_hits")) nooutput name "H"
if (H_records < 1) {
	printerr sprintf("%s: no stale hits", data)
	exit status 2
}

set title sprintf("numa-migrate: uses of stale translations by age; %d stores were lost\n{/*0.85 %s, kernel %s}", \
	lost, modelled(profile, machine), kernel)
set xlabel "time from the change of the entry to the use of the old one, up to"
set ylabel "uses [thousand]"
set style fill solid 1 noborder
set boxwidth 0.9
set yrange [0:*]
set xrange [-0.7:H_records - 0.3]
set xtics rotate by -40 left
set key top left Left reverse invert samplen 1.2

short(n) = n < 1000 ? sprintf("%d", n) : sprintf("%.1fk", n / 1e3)

plot data using 0:(column("stale_hits") / 1e3):xtic(human(column("to [ns]"))) \
	with boxes linecolor rgb sky title "loads", \
     data using 0:(column("of_these_stores") / 1e3) \
	with boxes linecolor rgb red title "stores", \
     data using 0:(column("stale_hits") / 1e3):(short(column("stale_hits"))) \
	with labels center offset 0, 0.6 font small textcolor rgb ink notitle
