# Where the cycles of all CPUs go, one stacked bar per flush strategy.
if (ARGC != 2) {
	printerr "usage: gnuplot -c plots/categories.gp categories_NAME.csv FIGURE.svg|.png"
	exit status 2
}
data = ARG1; figure = ARG2; height = 600
load system("dirname '".ARG0."'")."/style.gp"

stats data using (workload = strcol("workload"), profile = strcol("profile"), \
	machine = strcol("machine"), kernel = strcol("kernel"), \
	threads = strcol("threads"), 1) nooutput name "N"
set title sprintf("%s: where %s threads' cycles go, by flush strategy\n{/*0.85 %s, kernel %s}", \
	workload, threads, modelled(profile, machine), kernel)

set style data histograms
set style histogram rowstacked
set style fill solid 1 noborder
set boxwidth 0.62
set ylabel "cycles of all CPUs [million]"
set yrange [0:*]
set xrange [-0.6:N_records - 0.4]
set xtics rotate by 90 right noenhanced font small
set bmargin 7
set key outside right center Left reverse invert samplen 1.2 spacing 1.15 \
	maxcols 1 font small

# The price from the bottom up, what the program wanted on top.
array id[12] = ["flush", "wait_ack", "respond", "lock_wait", "copy", "scan", \
	"kernel", "fault", "walk", "stlb", "user", "idle"]
array label[12] = ["flush, initiator", "waiting for acks", "respond", \
	"waiting for locks", "copying pages", "NUMA scanner", "system calls", \
	"page faults", "page walks", "L2 TLB hits", "user", "idle"]
array colour[12] = [orange, red, purple, yellow, green, black, blue, sky, \
	"#7a4b20", grey, pale, "#f4f4f4"]

# Only what there is any of.
used = ""
do for [i = 1:12] {
	stats data using (column(id[i]." [cycles]")) nooutput name "C"
	if (C_max > 0) { used = used." ".i }
}
plot for [w in used] data \
	using (column(id[int(w)]." [cycles]") / 1e6) : xtic(strcol("flush")) \
	title label[int(w)] linecolor rgb colour[int(w)]
