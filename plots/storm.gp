# Throughput of a storm in which all flush all, against threads.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/storm.gp storm.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (machine = strcol("machine"), profile = strcol("profile"), \
	kernel = strcol("kernel"), column("threads")) nooutput name "X"
set title sprintf("Storm: each thread makes all others flush a page (tlb\\_flush2)\n{/*0.85 %s, kernel %s}", \
	modelled(profile, machine), kernel)
set xlabel "threads"
set ylabel "iterations per second of modelled time [million]"
set yrange [0:*]
set offsets 0, 0, graph 0.25, 0         # for the key
set xrange [0:X_max + 2]
set xtics 0, 8
set key top left Left reverse samplen 3
array name[4] = ["deferred", "page", "freebsd", "invlpgb"]
array label[4] = ["deferred (Linux)", "page by page", "freebsd", "invlpgb (broadcast)"]
array colour[4] = [blue, red, orange, green]
array shape[4] = [7, 5, 9, 13]
set arrow from 28.5, graph 0 to 28.5, graph 1 nohead linecolor rgb grey dashtype 3
set label "socket 2 joins" at 29, graph 0.04 left textcolor rgb "#555555"
plot for [i = 1:4] data using "threads":(column(name[i]." [iterations/s]") / 1e6) \
	with linespoints linecolor rgb colour[i] linewidth 2 pointtype shape[i] \
	pointsize 0.7 title label[i]
