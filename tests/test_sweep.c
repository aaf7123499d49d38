/* Sweeps: values and grids against a naive reading, keys, the database, and that
 * a stop at any moment loses and repeats nothing. */
#include "tests/check.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/rng.h"
#include "emu/cmd_sweep.h"
#include "emu/sweep_db.h"
#include "emu/sweep_grid.h"
#include "emu/sweep_key.h"

/* ---- values ------------------------------------------------------------------- */

struct cfg {
	u32 n;
	u64 bytes, ns;
	const char *name;
	int kind;
	bool hidden;
};
static const char *const kinds[] = { "ab", "ba", NULL };
static const struct opt opts[] = {
	{ .name = "n", .kind = OPT_U32, .max = 5000,
	  .offset = offsetof(struct cfg, n) },
	{ .name = "bytes", .kind = OPT_SIZE, .offset = offsetof(struct cfg, bytes) },
	{ .name = "time", .kind = OPT_TIME_NS, .offset = offsetof(struct cfg, ns) },
	{ .name = "name", .kind = OPT_STRING, .offset = offsetof(struct cfg, name) },
	{ .name = "kind", .kind = OPT_ENUM, .names = kinds,
	  .offset = offsetof(struct cfg, kind) },
	{ .name = "hidden", .kind = OPT_BOOL, .no_echo = true,
	  .offset = offsetof(struct cfg, hidden) },
};

struct fixture {
	struct cfg cfg;
	struct opt_set *set;
	struct sweep_grid g;
	struct err e;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(opt_set_create(&f->set, &(struct opt_bind)
					OPT_BIND(opts, &f->cfg), 1), 0);
}

static void end(struct fixture *f)
{
	sweep_grid_free(&f->g);
	opt_set_free(f->set);
}

/* The values that @text gives @name, with blanks between; "!" and the error. */
static const char *values(const char *name, const char *text)
{
	static char buf[4096];
	struct fixture f;
	size_t n = 0;

	begin(&f);
	if (sweep_grid_add(&f.g, f.set, name, text, &f.e))
		snprintf(buf, sizeof(buf), "!%s", f.e.text);
	else
		for (u32 i = 0; i < f.g.axis[0].nr; i++)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s",
					      i ? " " : "",
					      f.g.axis[0].value[i]);
	end(&f);
	return buf;
}

static void test_values(void **state)
{
	assert_string_equal(values("n", "1, 2 ,4,8"), "1 2 4 8");
	assert_string_equal(values("n", "7"), "7");
	assert_string_equal(values("n", "3..6"), "3 4 5 6");
	assert_string_equal(values("n", "5..5"), "5");
	assert_string_equal(values("n", "1..100:33, 2"), "1 34 67 100 2");
	assert_string_equal(values("n", "1..99:98"), "1 99");
	assert_string_equal(values("n", "0..3:9"), "0");
	assert_string_equal(values("n", "1..64*2"), "1 2 4 8 16 32 64");
	assert_string_equal(values("n", "3..100*3"), "3 9 27 81");
	assert_string_equal(values("n", "1k..2k:500"), "1000 1500 2000");
	assert_string_equal(values("bytes", "4K..64K*4"), "4K 16K 64K");
	assert_string_equal(values("bytes", "0..12K:4K"), "0 4K 8K 12K");
	assert_string_equal(values("time", "1us..3us:1us"), "1us 2us 3us");
	assert_string_equal(values("bytes", "16777215T, 1"), "16777215T 1");
	assert_string_equal(values("name", "a, \"b, c\" ,../d..e"),
			    "a b, c ../d..e");
	assert_string_equal(values("kind", "ba,ab"), "ba ab");
}

static void test_bad_values(void **state)
{
	static const char *const bad[][3] = {
		{ "n", "1, 2, 1", "twice" },
		{ "n", "1000, 1k", "twice" },
		{ "n", "1..4, 3", "twice" },
		{ "n", "4..1", "above its end" },
		{ "n", "0..8*2", "stays 0" },
		{ "n", "1..8*1", "factor of 2" },
		{ "n", "1..8:0", "step of 1" },
		{ "n", "1..8:x", "'x'" },
		{ "n", "..8", "''" },
		{ "n", "1..", "''" },
		{ "n", "1,,2", "nothing" },
		{ "n", "", "nothing" },
		{ "n", "1, ", "nothing" },
		{ "n", "5001", "5000" },
		{ "n", "4999..5002", "5000" },
		{ "bytes", "1..20000", "more than 10000" },
		{ "name", "\"a", "'\"'" },
		{ "name", "\"a\" b", "'\"'" },
		{ "kind", "ac", "did you mean" },
		{ "kinds", "ab", "did you mean 'kind'?" },
		{ "hidden", "yes", "several values" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *got = values(bad[i][0], bad[i][1]);

		assert_int_equal(got[0], '!');
		assert_contains(got, bad[i][2]);
	}
}

/* Ranges against loops that count one by one. */
static void test_ranges(void **state)
{
	struct rng rng;

	rng_init(&rng, check_seed("ranges"));
	for (u32 k = 0; k < 300; k++) {
		bool mul = rng_chance(&rng, 1, 2);
		u64 lo = rng_below(&rng, 90) + 1, hi = lo + rng_below(&rng, 300);
		u64 step = rng_below(&rng, 20) + (mul ? 2 : 1), next = lo;
		char text[64], want[4096] = "";
		size_t n = 0;

		for (u64 v = lo; v <= hi; v++)
			if (v == next) {
				n += (size_t)snprintf(want + n,
					sizeof(want) - n, "%s%llu",
					n ? " " : "", (unsigned long long)v);
				next = mul ? v * step : v + step;
			}
		snprintf(text, sizeof(text), "%llu..%llu%c%llu",
			 (unsigned long long)lo, (unsigned long long)hi,
			 mul ? '*' : ':', (unsigned long long)step);
		assert_string_equal(values("n", text), want);
	}
}

/* Every combination once, the last axis first; one dropped is one less. */
static void test_grid(void **state)
{
	struct fixture f;
	char seen[3][2][4] = { 0 };

	begin(&f);
	assert_int_equal(sweep_grid_points(&f.g), 1);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "n", "0..1", &f.e), 0);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "kind", "ab,ba", &f.e), 0);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "bytes", "0..3", &f.e), 0);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "n", "2", &f.e), 0);
	assert_int_equal(sweep_grid_points(&f.g), 24);
	for (u32 p = 0; p < 24; p++) {
		assert_int_equal(sweep_grid_apply(&f.g, p, f.set, &f.e), 0);
		assert_int_equal(f.cfg.bytes, p % 4);
		seen[f.cfg.n][f.cfg.kind][f.cfg.bytes]++;
	}
	for (u32 i = 0; i < 24; i++)
		assert_int_equal(((char *)seen)[i], 1);
	sweep_grid_drop(&f.g, "kind");
	assert_int_equal(sweep_grid_points(&f.g), 12);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "time", "1..9999", &f.e),
			 0);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "kind", "ab", &f.e), 0);
	assert_int_equal(sweep_grid_add(&f.g, f.set, "name", "0,1,2,3,4,5,6,7,8",
					&f.e), -E2BIG);
	end(&f);
}

/* ---- keys ------------------------------------------------------------------------ */

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static u32 i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void key_of(char *arg1, char *arg2, char hash[SWEEP_HASH_TEXT])
{
	char cmd[] = "sweep", wl[] = "mprotect-storm";
	char *argv[] = { cmd, wl, arg1, arg2, NULL };
	struct experiment x;
	struct sweep_key k;
	struct err e;

	assert_int_equal(experiment_parse(&x, arg2 ? 4 : arg1 ? 3 : 2, argv,
					  NULL, 0, &e), 0);
	assert_int_equal(sweep_key_of(&x, &k, &e), 0);
	assert_contains(k.config, "\"workload\":\"mprotect-storm\"");
	memcpy(hash, k.hash, SWEEP_HASH_TEXT);
	free(k.config);
	experiment_release(&x);
}

static void copy_profile(const char *from, const char *to, const char *more)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "{ cat machines/%s.ini; echo '%s'; } > %s",
		 from, more, to);
	assert_int_equal(system(cmd), 0);
}

/* What decides a result decides the key; how it was spelled does not. */
static void test_keys(void **state)
{
	char seed1[] = "--seed=1", seed2[] = "--seed=2", k[] = "--seed=0x1";
	char scan[] = "--scan-size=256M", scan2[] = "--scan-size=262144K";
	char a[160], b[160];
	char h[7][SWEEP_HASH_TEXT];

	check_tmpdir(dir);
	snprintf(a, sizeof(a), "--profile=%s", in_dir("a.ini"));
	snprintf(b, sizeof(b), "--profile=%s", in_dir("b.ini"));
	copy_profile("skylake-sp", in_dir("a.ini"), "");
	copy_profile("haswell-ep", in_dir("b.ini"), "");
	key_of(NULL, NULL, h[0]);
	key_of(seed1, scan, h[1]);
	key_of(k, scan2, h[2]);
	key_of(seed2, NULL, h[3]);
	key_of(a, NULL, h[4]);
	key_of(b, NULL, h[5]);
	assert_string_equal(h[0], h[1]);
	assert_string_equal(h[0], h[2]);
	assert_string_not_equal(h[0], h[3]);
	assert_string_not_equal(h[4], h[5]);
	check_rmdir(dir);
}

/* ---- the database -------------------------------------------------------------------- */

static void name2(u32 i, char name[64], const char **unit)
{
	snprintf(name, 64, "m%u", i);
	*unit = i ? "ms" : NULL;
}

static int put(struct sweep_db *db, const char *hash, double a, double b,
	       const char *error)
{
	double v[2] = { a, b };
	struct err e = { "" };
	int rc = sweep_db_put(db, &(struct sweep_record){
		.hash = hash, .config = hash, .error = error,
		.nr_values = error ? 0 : 2, .value = v, .name = name2,
		.nr_samples = error ? 0 : 2, .sample = (struct sweep_sample[]){
			{ 20, 1, a }, { 10, 1, b } } }, &e);

	if (rc)
		print_error("# %s\n", e.text);
	return rc;
}

static struct sweep_db *open_db(const char *name, enum sweep_db_mode mode)
{
	struct sweep_db *db = NULL;
	struct err e = { "" };

	if (sweep_db_open(&db, in_dir(name), mode, &e))
		fail_msg("%s", e.text);
	return db;
}

static int note_row(void *arg, const struct sweep_row *row, struct err *e)
{
	char *text = arg;
	size_t n = strlen(text);

	n += (size_t)snprintf(text + n, 256 - n, "[%s %u", row->hash,
			      row->attempts);
	if (row->error)
		n += (size_t)snprintf(text + n, 256 - n, " %s", row->error);
	for (u32 i = 0; i < row->nr_values && !row->error; i++)
		n += (size_t)snprintf(text + n, 256 - n, " %g", row->value[i]);
	snprintf(text + n, 256 - n, "]");
	return 0;
}

static const char *all_rows(struct sweep_db *db)
{
	static char text[256];
	struct err e;

	text[0] = '\0';
	assert_int_equal(sweep_db_each(db, note_row, text, &e), 0);
	return text;
}

static void sum_samples(void *arg, u64 at_ns, double v)
{
	double *sum = arg;

	*sum = *sum * 100 + v + (double)at_ns / 10;
}

/* What is put is there after closing; done stays, failed may be mended. */
static void test_db(void **state)
{
	struct sweep_db *db, *second;
	enum sweep_state st;
	struct err e;
	double sum = 0;

	check_tmpdir(dir);
	db = open_db("x.db", SWEEP_DB_WRITE);
	assert_int_equal(put(db, "b", 1.5, NAN, NULL), 0);
	assert_int_equal(put(db, "a", 0, 0, "no machine"), 0);
	assert_int_equal(sweep_db_open(&second, in_dir("x.db"), SWEEP_DB_WRITE,
				       &e), -EBUSY);
	assert_contains(e.text, "another sweep is writing");
	sweep_db_close(db);

	db = open_db("x.db", SWEEP_DB_WRITE);
	assert_string_equal(all_rows(db), "[a 1 no machine][b 1 1.5 nan]");
	assert_int_equal(sweep_db_state(db, "a", &st, &e), 0);
	assert_int_equal(st, SWEEP_FAILED);
	assert_int_equal(put(db, "b", 9, 9, NULL), 0);
	assert_int_equal(put(db, "a", 3, 4, NULL), 0);
	assert_int_equal(sweep_db_state(db, "a", &st, &e), 0);
	assert_int_equal(st, SWEEP_DONE);
	assert_int_equal(sweep_db_state(db, "c", &st, &e), 0);
	assert_int_equal(st, SWEEP_MISSING);
	second = open_db("x.db", SWEEP_DB_READ);
	assert_string_equal(all_rows(second), "[a 2 3 4][b 1 1.5 nan]");
	assert_int_equal(sweep_db_samples(second, "a", "m1", sum_samples, &sum,
					  &e), 0);
	assert_int_equal(sum, 505);     /* 4 + 1 first, then 3 + 2 */
	sweep_db_close(second);
	sweep_db_close(db);
	check_rmdir(dir);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void refused(const char *name, enum sweep_db_mode mode, int errnum,
		    const char *text)
{
	struct sweep_db *db = NULL;
	struct err e = { "" };

	assert_int_equal(sweep_db_open(&db, in_dir(name), mode, &e), errnum);
	assert_contains(e.text, text);
}

static void sql(const char *name, const char *text)
{
	sqlite3 *s;

	assert_int_equal(sqlite3_open(in_dir(name), &s), SQLITE_OK);
	assert_int_equal(sqlite3_exec(s, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(s);
}

static long long ask(const char *path, const char *text)
{
	sqlite3 *s;
	sqlite3_stmt *st;
	long long n;

	assert_int_equal(sqlite3_open(path, &s), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(s, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(s);
	return n;
}

static void test_foreign(void **state)
{
	check_tmpdir(dir);
	write_file("text.db", "no database, but long enough to look like one: "
		   "a header is a hundred bytes, and this is more than that.");
	sql("other.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	sweep_db_close(open_db("old.db", SWEEP_DB_WRITE));
	sql("old.db", "PRAGMA user_version = 7");
	refused("text.db", SWEEP_DB_WRITE, -EINVAL, "not a database");
	refused("text.db", SWEEP_DB_READ, -EINVAL, "not a database");
	refused("other.db", SWEEP_DB_WRITE, -EINVAL, "not one of a sweep");
	refused("old.db", SWEEP_DB_READ, -EINVAL, "layout 7");
	refused("none.db", SWEEP_DB_READ, -ENOENT, "none.db");
	refused("no/none.db", SWEEP_DB_WRITE, -ENOENT, "none.db");
	refused(".", SWEEP_DB_WRITE, -EINVAL, "regular");
	check_rmdir(dir);
}

/* Bytes of a database changed at random: it opens and reads, or says -EINVAL
 * in one line; nothing else happens. */
static void test_damaged(void **state)
{
	struct rng rng;
	struct sweep_db *db;
	static unsigned char buf[1 << 17];
	size_t n;
	u32 caught = 0;
	FILE *f;

	rng_init(&rng, check_seed("damaged"));
	check_tmpdir(dir);
	db = open_db("x.db", SWEEP_DB_WRITE);
	for (u32 i = 0; i < 50; i++) {
		char hash[8];

		snprintf(hash, sizeof(hash), "h%u", i);
		assert_int_equal(put(db, hash, i, i * 0.5, NULL), 0);
	}
	sweep_db_close(db);
	f = fopen(in_dir("x.db"), "r");
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	for (u32 k = 0; k < 60; k++) {
		size_t at = rng_below(&rng, n), len = rng_below(&rng, 400) + 1;
		struct err e = { "" };
		char text[256] = "";
		int rc;

		f = fopen(in_dir("y.db"), "w");
		fwrite(buf, 1, k % 5 ? n : at, f);
		for (size_t i = at; k % 5 && i < n && i < at + len; i++) {
			fseek(f, (long)i, SEEK_SET);
			fputc((int)rng_below(&rng, 256), f);
		}
		fclose(f);
		rc = sweep_db_open(&db, in_dir("y.db"), SWEEP_DB_READ, &e);
		if (!rc) {
			sweep_db_read(db, "h3", note_row, text, &e);
			sweep_db_close(db);
		} else {
			assert_int_equal(rc, -EINVAL);
			assert_contains(e.text, "y.db");
			caught++;
		}
	}
	printf("# %u of 60 were noticed at once\n", caught);
	assert_true(caught > 10);
	check_rmdir(dir);
}

/* Puts until it is refused. Return: how many went in, 255: not refused as it
 * should. */
static int put_until_full(void)
{
	struct rlimit limit = { 300000, 300000 };
	static char config[20000];
	struct err e = { "" };
	struct sweep_db *db;
	char hash[16];
	int rc = 0, n;

	memset(config, 'x', sizeof(config) - 1);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	db = open_db("x.db", SWEEP_DB_WRITE);
	for (n = 0; n < 100; n++) {
		snprintf(hash, sizeof(hash), "h%d", n);
		rc = sweep_db_put(db, &(struct sweep_record){
			.hash = hash, .config = config, .name = name2,
			.nr_values = 2, .value = (double[]){ n, 2 } }, &e);
		if (rc)
			break;
	}
	sweep_db_close(db);
	return (rc == -EIO || rc == -ENOSPC) && strstr(e.text, "x.db: ")
		? n : 255;
}

/* A file that can grow no more stands for a full disk: what was put stays. */
static void test_full(void **state)
{
	struct err e = { "" };
	struct sweep_db *db;
	u32 done = 0, failed = 0;
	int status;
	pid_t pid;

	check_tmpdir(dir);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(put_until_full());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 1, 99);
	db = open_db("x.db", SWEEP_DB_WRITE);
	assert_int_equal(sweep_db_count(db, &done, &failed, NULL, &e), 0);
	assert_int_equal(done, WEXITSTATUS(status));
	assert_int_equal(put(db, "more", 1, 2, NULL), 0);
	sweep_db_close(db);
	check_rmdir(dir);
}

static const char *merged(struct sweep_db *db, const char *from)
{
	static char text[64];
	struct sweep_merge m;
	struct err e;

	assert_int_equal(sweep_db_merge(db, in_dir(from), &m, &e), 0);
	snprintf(text, sizeof(text), "%u new, %u known, %u differ", m.added,
		 m.known, m.differ);
	return text;
}

static void test_merge(void **state)
{
	struct sweep_db *db;
	struct sweep_merge m;
	struct err e;

	check_tmpdir(dir);
	db = open_db("a.db", SWEEP_DB_WRITE);
	put(db, "p", 1, 2, NULL);
	put(db, "q", 0, 0, "bad");
	sweep_db_close(db);
	db = open_db("b.db", SWEEP_DB_WRITE);
	put(db, "q", 3, 4.5, NULL);
	put(db, "r", 0, 0, "worse");
	put(db, "p", 1, 2, NULL);
	sweep_db_close(db);
	db = open_db("c.db", SWEEP_DB_WRITE);
	put(db, "p", 1, 7, NULL);
	sweep_db_close(db);

	db = open_db("all.db", SWEEP_DB_WRITE);
	assert_string_equal(merged(db, "a.db"), "2 new, 0 known, 0 differ");
	assert_string_equal(merged(db, "b.db"), "2 new, 1 known, 0 differ");
	assert_string_equal(merged(db, "b.db"), "0 new, 3 known, 0 differ");
	assert_string_equal(merged(db, "a.db"), "0 new, 2 known, 0 differ");
	assert_string_equal(merged(db, "c.db"), "0 new, 1 known, 1 differ");
	assert_string_equal(all_rows(db), "[p 1 1 2][q 2 3 4.5][r 1 worse]");
	write_file("bad.db", "nothing of a database, certainly not a header");
	assert_int_equal(sweep_db_merge(db, in_dir("bad.db"), &m, &e), -EINVAL);
	sweep_db_close(db);
	assert_int_equal(ask(in_dir("all.db"), "SELECT count(*) FROM samples"),
			 4);
	check_rmdir(dir);
}

/* ---- stopped and gone on ---------------------------------------------------------------- */

#define NR_POINTS 24
#define NR_KILLS 100

static const char ini[] =
	"workload = mprotect-storm\n"
	"machine = pack:1 [numa(memory=64MB)] core:2 pu:1\n"
	"iterations = 3\nown-pages = 1\n"
	"[sweep]\nseed = 1..6\npages = 1, 3\nflush = deferred, full\n";

/* `tlbemu sweep` in a process of its own, silent. */
static pid_t start(const char *db, const char *more1, const char *more2)
{
	char *argv[] = { strdup("sweep"), strdup(in_dir("s.ini")),
			 strdup("--db"), strdup(in_dir(db)), strdup("-j2"),
			 strdup(more1), strdup(more2), NULL };
	pid_t pid;
	int fd;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		fd = open("/dev/null", O_RDWR);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		_exit(cmd_sweep(more2[0] ? 7 : more1[0] ? 6 : 5, argv));
	}
	for (u32 i = 0; argv[i]; i++)
		free(argv[i]);
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

static void exported(const char *db, const char *csv)
{
	char arg[160];

	snprintf(arg, sizeof(arg), "-o%s", in_dir(csv));
	assert_int_equal(finish(start(db, "--export=csv", arg)), 0);
}

static void same_files(const char *a, const char *b)
{
	char *x = check_slurp(in_dir(a)), *y = check_slurp(in_dir(b));

	assert_non_null(x);
	assert_non_null(y);
	assert_string_equal(x, y);
	free(x);
	free(y);
}

/* SIGKILL at a hundred moments drawn at random. The same points, each once,
 * with all their results, and the same bytes come out as undisturbed. */
static void test_killed(void **state)
{
	struct rng rng;
	u32 killed = 0;
	u64 whole;

	rng_init(&rng, check_seed("killed"));
	check_tmpdir(dir);
	write_file("s.ini", ini);
	whole = now_us();
	exported("a.db", "a.csv");
	whole = now_us() - whole;
	for (u32 i = 0; i < NR_KILLS; i++) {
		pid_t pid = start("b.db", "", "");

		usleep((useconds_t)rng_below(&rng, whole / 12 + 1));
		kill(pid, SIGKILL);
		killed += WIFSIGNALED(finish(pid));
	}
	printf("# %u of %u were killed before they were done\n", killed,
	       NR_KILLS);
	assert_true(killed >= NR_KILLS / 10);
	exported("b.db", "b.csv");
	same_files("a.csv", "b.csv");
	assert_int_equal(ask(in_dir("b.db"), "SELECT count(*) FROM points "
			     "WHERE state = 'done' AND attempts = 1"),
			 NR_POINTS);
	assert_int_equal(ask(in_dir("b.db"), "SELECT count(DISTINCT n) FROM "
			     "(SELECT count(*) AS n FROM points JOIN results "
			     "ON point = id GROUP BY id)"), 1);
	check_rmdir(dir);
}

/* ^C: exit status 3, and the same command goes on. */
static void test_interrupted(void **state)
{
	struct stat st;
	pid_t pid;
	int status;

	check_tmpdir(dir);
	write_file("s.ini", ini);
	pid = start("a.db", "-j1", "");
	/* When the first point is in, the handler is there, too. */
	for (u32 i = 0; i < 2000; i++) {
		if (!stat(in_dir("a.db-wal"), &st) && st.st_size > 60000)
			break;
		usleep(2000);
	}
	kill(pid, SIGINT);
	status = finish(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(finish(start("a.db", "--status", "")), 3 << 8);
	exported("a.db", "a.csv");
	assert_int_equal(finish(start("a.db", "--status", "")), 0);
	check_rmdir(dir);
}

/* Two shares, each its file, collected: the same as in one. */
static void test_shares(void **state)
{
	char arg[160];

	check_tmpdir(dir);
	mkdir(in_dir("d"), 0777);
	write_file("s.ini", ini);
	snprintf(arg, sizeof(arg), "--collect=%s", in_dir("d"));
	assert_int_equal(finish(start("d/0.db", "--share=0/2", "")), 0);
	assert_int_equal(finish(start("b.db", arg, "")), 3 << 8);
	assert_int_equal(finish(start("d/1.db", "--share=1/2", "")), 0);
	assert_int_equal(finish(start("b.db", arg, "")), 0);
	assert_int_equal(ask(in_dir("b.db"), "SELECT count(*) FROM points"),
			 NR_POINTS);
	exported("b.db", "b.csv");
	exported("a.db", "a.csv");
	same_files("a.csv", "b.csv");
	check_rmdir(dir);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_values),
	cmocka_unit_test(test_bad_values),
	cmocka_unit_test(test_ranges),
	cmocka_unit_test(test_grid),
	cmocka_unit_test(test_keys),
	cmocka_unit_test(test_db),
	cmocka_unit_test(test_foreign),
	cmocka_unit_test(test_damaged),
	cmocka_unit_test(test_full),
	cmocka_unit_test(test_merge),
	cmocka_unit_test(test_killed),
	cmocka_unit_test(test_interrupted),
	cmocka_unit_test(test_shares),
};
TEST_MAIN(tests)
