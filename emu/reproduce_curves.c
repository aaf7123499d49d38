/* Curves of published measurements: the points as printed, and what of the model
 * stands for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "emu/reproduce.h"
#include "emu/reproduce_runs.h"

#define POINTS(p) .point = (p), .nr = ARRAY_LEN(p)
#define P(s, a, b) { .series = (s), .x = (a), .published = (b) }

/* ---- C1 ------------------------------------------------------------------------ */

#define R1(a, b) P("ranged", a, b)
static const struct repro_point c1[] = {
	R1(1, 1276), R1(2, 1505), R1(3, 1880), R1(4, 2447), R1(5, 2358),
	R1(6, 2563), R1(7, 2862), R1(8, 3542), R1(9, 3289), R1(10, 3570),
	R1(11, 3767), R1(12, 3996), R1(13, 4077), R1(14, 4836), R1(15, 5699),
	R1(16, 5041), R1(17, 5473), R1(18, 5396), R1(19, 5296), R1(20, 6749),
	R1(21, 6225), R1(22, 6393), R1(23, 6861), R1(24, 6912), R1(25, 7190),
	R1(26, 7793), R1(27, 7833), R1(28, 8253), R1(29, 8024), R1(30, 9670),
	R1(31, 8949), R1(32, 9350), R1(33, 8534), R1(34, 10977), R1(35, 11400),
	P("full", 0, 2283),
};

const struct repro_set repro_c1 = {
	.name = "C1", .title = "cycles of a flush against its pages",
	.source = "D. Hansen 2014, i5-3320M, kernel build, tracing of about 335 included",
	.x = "pages (0: of everything)", .unit = "cycles",
	.machine = "pack:1 core:2 pu:2, haswell-ep at its own clock, kernel v3.15",
	.note = "one thread: the build's processes mostly have one",
	.is_fitted = true, POINTS(c1), .run = repro_c1_value,
};

/* ---- C2 ------------------------------------------------------------------------ */

#define B2(a, b) P("5.17", a, b)
#define A2(a, b) P("patched", a, b)
static const struct repro_point c2[] = {
	B2(1, 159960), B2(5, 310808), B2(10, 479110), B2(15, 526771),
	B2(20, 534495), B2(25, 547462), B2(30, 579616), B2(35, 594134),
	B2(40, 612288), B2(45, 617517), B2(50, 637476), B2(55, 614363),
	A2(1, 160202), A2(5, 308378), A2(10, 490728), A2(15, 562528),
	A2(20, 587316), A2(25, 628296), A2(30, 666313), A2(35, 701814),
	A2(40, 732967), A2(45, 749727), A2(50, 735497), A2(55, 778913),
};

static const struct repro_set repro_c2 = {
	.name = "C2", .title = "storm: iterations a second against threads",
	.source = "N. Amit, commit aa44284960d5, will-it-scale tlb_flush1_threads, 56-core Skylake",
	.x = "threads", .unit = "iterations/s",
	.machine = "pack:2 core:28 pu:1, skylake-sp, kernels v5.17 and v5.19+gen-0",
	.note = "with --pti, --retpoline and --mds, that kernel's defaults there (assumed)",
	POINTS(c2), .run = repro_c2_value,
};

/* ---- C3 ------------------------------------------------------------------------ */

/* Printed are events of a run, and sysbench's is 10 s unless told otherwise. */
#define E3(s, a, b) P(s, a, (b) / 10.0)
static const struct repro_point c3[] = {
	E3("off, base", 1, 1598896), E3("off, base", 2, 2109472),
	E3("off, base", 4, 3448587), E3("off, base", 8, 5425778),
	E3("off, base", 16, 6931232), E3("off, base", 24, 7612473),
	E3("off, base", 32, 4296274), E3("off, base", 48, 4770029),
	E3("off, concurrent", 1, 1607903), E3("off, concurrent", 2, 2224726),
	E3("off, concurrent", 4, 3668551), E3("off, concurrent", 8, 5606266),
	E3("off, concurrent", 16, 7054052), E3("off, concurrent", 24, 7783138),
	E3("off, concurrent", 32, 4283279), E3("off, concurrent", 48, 4764760),
	E3("on, base", 1, 1267765), E3("on, base", 2, 1734644),
	E3("on, base", 4, 2821268), E3("on, base", 8, 4171652),
	E3("on, base", 16, 5590729), E3("on, base", 24, 6250212),
	E3("on, base", 32, 3994314), E3("on, base", 48, 4345177),
	E3("on, concurrent", 1, 1299253), E3("on, concurrent", 2, 1799225),
	E3("on, concurrent", 4, 2919132), E3("on, concurrent", 8, 4376925),
	E3("on, concurrent", 16, 5829866), E3("on, concurrent", 24, 6522303),
	E3("on, concurrent", 32, 4077543), E3("on, concurrent", 48, 4417821),
};

static const struct repro_set repro_c3 = {
	.name = "C3", .title = "sysbench mmap and msync, concurrent flushes",
	.source = "N. Amit, Concurrent TLB flushes v3, 2019, 2 x 24-thread Haswell",
	.x = "threads", .unit = "events/s",
	.machine = "pack:2 core:12 pu:2, haswell-ep, kernels v5.12 and v5.17",
	.note = "events of 10 s, sysbench's default (assumed); files of 16 MB together, not 3 GB",
	POINTS(c3), .run = repro_c3_value,
};

/* ---- C4 ------------------------------------------------------------------------ */

static const struct repro_point c4[] = {
	P("mprotect(R)", 1, 2499), P("mprotect(R)", 2, 4655),
	P("relaxed, mprotect(RW)", 1, 2496), P("relaxed, mprotect(RW)", 2, 2615),
};

const struct repro_set repro_c4 = {
	.name = "C4", .title = "mprotect of one page, with one thread and with two",
	.source = "N. Amit, RFC relaxed TLB flushes, 2022, Haswell",
	.x = "threads", .unit = "cycles",
	.machine = "pack:1 core:4 pu:1, haswell-ep, kernel v6.1",
	.note = "the relaxed points are predictions: twice the mean call, less a call that takes rights",
	.is_fitted = true, POINTS(c4), .run = repro_c4_value,
};

/* ---- C5 ------------------------------------------------------------------------ */

static const struct repro_point c5[] = {
	P("vanilla", 36, 527000), P("INVLPGB", 36, 527000),
	P("no LRU drain", 36, 731000), P("both", 36, 1157000),
};

static const struct repro_set repro_c5 = {
	.name = "C5", .title = "broadcast flushes in tlb_flush2_threads",
	.source = "R. van Riel, INVLPGB series, 2024-25, 36-core Milan",
	.x = "threads", .unit = "iterations/s",
	.machine = "pack:1 l3:6 core:6 pu:1, zen3-milan, kernels v6.14 and v6.14+no-lru-drain",
	POINTS(c5), .run = repro_c5_value,
};

/* ---- C6, C8, C9 ------------------------------------------------------------------ */

static const struct repro_point c6[] = {
	{ .series = "time", .published = 0.742 },
	{ .series = "IPIs a second", .published = 0.2 },
	{ .series = "IPIs a second, pages listed", .published = 0.067,
	  .missing = "flushes by a list of pages, a design that was not merged" },
};

static const struct repro_set repro_c6 = {
	.name = "C6", .title = "reclaim of mapped files, one by one and in batches",
	.source = "M. Gorman, batch series v6-v7, 2015, 48 CPUs, 4 nodes",
	.x = "", .unit = "ratio",
	.machine = "pack:4 [numa(memory=256MiB)] core:12 pu:1, haswell-ep, kernels v4.2 and v4.12",
	.note = "batched to one by one, a 64th of the memory, files of four times that, not ten",
	POINTS(c6), .run = repro_h7_value,
};

static const struct repro_point c8[] = {
	P("2 sockets", 16, 2.7), P("8 sockets", 120, 6.6),
};

static const struct repro_set repro_c8 = {
	.name = "C8", .title = "interrupting all other cores once",
	.source = "LATR as quoted in a TiFlash article (upper ends)",
	.x = "cores", .unit = "us",
	.machine = "pack:2 core:8 pu:1 and pack:8 core:15 pu:1, haswell-ep, kernel v4.14",
	.note = "a flush of one page with all others as targets, less one without any",
	POINTS(c8), .run = repro_c8_value,
};

#define B9(a, b) P("base", a, b)
#define A9(a, b) P("batched", a, b)
static const struct repro_point c9[] = {
	B9(1, 1071.17), B9(3, 2386.08), B9(5, 2851.10), B9(7, 3679.91),
	B9(12, 5916.66), B9(18, 7981.36), B9(24, 10950.79), B9(30, 14077.35),
	A9(1, 901.83), A9(3, 1865.32), A9(5, 2273.84), A9(7, 2881.66),
	A9(12, 4369.55), A9(18, 6303.57), A9(24, 8752.56), A9(30, 10170.01),
};

static const struct repro_set repro_c9 = {
	.name = "C9", .title = "thpscale: fault latency, batched split flush",
	.source = "commit 3027c6f8eb9d, an arm64 server (which one is not said)",
	.x = "threads", .unit = "us",
	.machine = "pack:1 [numa(memory=1GiB)] core:32 pu:1, neoverse-n1, kernels v6.6-arm64 and v6.8-arm64",
	.note = "the machine is assumed",
	POINTS(c9), .run = repro_c9_value,
};

/* ---- all -------------------------------------------------------------------------- */

extern const struct repro_set repro_headlines[];

const struct repro_set *const repro_sets[] = {
	&repro_c1, &repro_c2, &repro_c3, &repro_c4, &repro_c5, &repro_c6,
	&repro_c8, &repro_c9,
#define H(i) &repro_headlines[i]
	H(0), H(1), H(2), H(3), H(4), H(5), H(6), H(7), H(8), H(9), H(10), H(11),
	H(12), H(13), H(14), H(15), H(16), H(17), H(18), H(19), H(20), H(21),
	NULL
};
