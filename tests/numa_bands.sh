# numa_bands.sh - the acceptance bands of NUMA balancing: published results beside the
# model's. Exit 1 when one is outside its band.
B=${BUILD:-build/opt}
"$B/tlbemu" reproduce numa --progress never
