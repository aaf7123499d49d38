# Initiator's flush time of one mprotect call against its pages. Log scale: one
# flush per page costs up to sixty times what the others do.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/latency_pages.gp latency_pages.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2
load system("dirname '".ARG0."'")."/style.gp"

stats data using (machine = strcol("machine"), kernel = strcol("kernel"), \
	threads = strcol("threads"), column("pages")) nooutput name "X"

# The ceiling is where 'range' gets cheaper with one page more.
before = -1; ceiling = 0; high = 0
stats data using (r = column("range [ns]"), \
	before > 1.2 * r && ceiling == 0 ? (ceiling = column("pages"), high = before) : 0, \
	before = r, r) nooutput name "R"

set title sprintf("mprotect of 1 to %d pages: time the caller spends on flushing\n{/*0.85 machine %s, kernel %s, %s threads, spread over the sockets}", \
	X_max, machine, kernel, threads)
set xlabel "pages of one mprotect call"
set ylabel "flush time of one call [µs], log scale"
set logscale y
set yrange [1:*]
set xrange [0:X_max]
set xtics 0, 8
set key at graph 0.99, graph 0.68 right top Left reverse samplen 3
if (ceiling > 0) {
	set arrow from ceiling - 0.5, graph 0 to ceiling - 0.5, graph 0.75 \
		nohead linecolor rgb grey dashtype 3
	set label sprintf("%d pages and more: all of it at once", ceiling) \
		at ceiling + 0.5, high / 1e3 * 1.15 left \
		textcolor rgb "#555555"
}
plot for [i = 1:4] data using "pages":(column(strategy[i]." [ns]") / 1e3) \
	with lines linestyle i title strategy[i]
