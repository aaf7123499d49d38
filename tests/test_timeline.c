/* test_timeline.c - what run --timeline writes: JSON that a parser takes, slices
 * that nest, arrows with two ends, and lengths that are the run's cycles. */
#include <jansson.h>

#include "emu/timeline.h"
#include "tests/point.h"

struct drawn {
	struct setup s;
	struct timed_result *r;
	json_t *root, *events;
	u64 kept, dropped;
};

static void draw(struct drawn *d, const char *name, const char *const *pairs,
		 u64 max)
{
	char dir[64], path[96];
	struct timeline *tl;
	json_error_t error;

	check_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/t.json", dir);
	point_make(&d->s, workload_find(name), pairs);
	OK(timeline_create(&tl, path, max, &err));
	d->s.p.probe = timeline_probe(tl);
	d->r = point_run(&d->s);
	d->kept = timeline_kept(tl);
	d->dropped = timeline_dropped(tl);
	OK(timeline_commit(tl, &(struct timeline_about){
		.r = d->r, .workload = name, .kernel = "k", .flush = "f" },
		&err));
	d->root = json_load_file(path, 0, &error);
	if (!d->root)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	d->events = json_object_get(d->root, "traceEvents");
	assert_true(json_is_array(d->events));
	check_rmdir(dir);
}

static void wipe(struct drawn *d)
{
	json_decref(d->root);
	free(d->r);
	point_free(&d->s);
}

static const char *text(const json_t *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e, key));

	return s ? s : "";
}

static u64 ps(const json_t *e, const char *key)
{
	return (u64)(json_number_value(json_object_get(e, key)) * 1e6 + 0.5);
}

static u32 tid(const json_t *e)
{
	return (u32)json_integer_value(json_object_get(e, "tid"));
}

/* ---- nesting ------------------------------------------------------------------ */

struct slice {
	u64 from, to;
	u32 tid;
};

static int by_begin(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to > y->to ? -1 : x->to < y->to;
}

/* All slices, by track and begin. */
static struct slice *slices(const struct drawn *d, size_t *n)
{
	struct slice *s = calloc(json_array_size(d->events) + 1, sizeof(*s));
	json_t *e;
	size_t i;

	*n = 0;
	json_array_foreach(d->events, i, e)
		if (!strcmp(text(e, "ph"), "X"))
			s[(*n)++] = (struct slice){
				.from = ps(e, "ts"), .tid = tid(e),
				.to = ps(e, "ts") + ps(e, "dur") };
	qsort(s, *n, sizeof(*s), by_begin);
	return s;
}

static void check_nesting(const struct drawn *d)
{
	u64 ends[64];
	u32 depth = 0;
	size_t n;
	struct slice *s = slices(d, &n);

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		if (i && s[i].tid != s[i - 1].tid)
			depth = 0;
		while (depth && ends[depth - 1] <= s[i].from)
			depth--;
		if (depth && s[i].to > ends[depth - 1])
			fail_msg("track %u: a slice from %llu to %llu crosses "
				 "the end of the one around it, %llu", s[i].tid,
				 (unsigned long long)s[i].from,
				 (unsigned long long)s[i].to,
				 (unsigned long long)ends[depth - 1]);
		assert_true(depth < 64);
		ends[depth++] = s[i].to;
	}
	free(s);
}

/* ---- arrows -------------------------------------------------------------------- */

static bool is_inside(const struct slice *s, size_t n, u32 track, u64 at)
{
	for (size_t i = 0; i < n; i++)
		if (s[i].tid == track && s[i].from <= at && at <= s[i].to)
			return true;
	return false;
}

/* Each begins in a slice of its sender and ends, no earlier, in one of its target. */
static u64 check_arrows(const struct drawn *d)
{
	size_t n, i, k;
	struct slice *s = slices(d, &n);
	json_t *e, *f;
	u64 nr = 0, ends = 0;

	json_array_foreach(d->events, i, e) {
		bool found = false;

		ends += !strcmp(text(e, "ph"), "f");
		if (strcmp(text(e, "ph"), "s"))
			continue;
		nr++;
		assert_true(is_inside(s, n, tid(e), ps(e, "ts")));
		json_array_foreach(d->events, k, f) {
			if (strcmp(text(f, "ph"), "f") ||
			    !json_equal(json_object_get(e, "id"),
					json_object_get(f, "id")))
				continue;
			assert_false(found);
			found = true;
			assert_string_equal(text(f, "bp"), "e");
			assert_int_not_equal(tid(e), tid(f));
			assert_true(ps(e, "ts") <= ps(f, "ts"));
			assert_true(is_inside(s, n, tid(f), ps(f, "ts")));
		}
		assert_true(found);
	}
	assert_int_equal(nr, ends);
	free(s);
	return nr;
}

static u64 named_ps(const struct drawn *d, const char *name, u64 *count)
{
	u64 sum = 0;
	json_t *e;
	size_t i;

	*count = 0;
	json_array_foreach(d->events, i, e)
		if (!strcmp(text(e, "ph"), "X") && !strcmp(text(e, "name"), name)) {
			sum += ps(e, "dur");
			++*count;
		}
	return sum;
}

/* Of a clock that divides a microsecond into a whole number of cycles. */
static u64 cycles_ps(const struct drawn *d, enum cycle_cat cat)
{
	return d->r->cycles[cat] * (1000000000000ull / d->r->hz);
}

static const struct {
	const char *workload;
	const char *pairs[13];
} points[] = {
	{ "mprotect-storm", { "iterations", "3", "pages", "5", "initiators", "2",
			      "threads", "4" } },
	{ "tlb_flush2", { "threads", "5", "bytes", "32K" } },
	/* Here a handler takes over a request that comes as it looks. */
	{ "tlb_flush2", { "threads", "4", "bytes", "16K", "flush",
			  "eurosys20" } },
	{ "numa-migrate", { "time", "400us", "scan-period", "100us", "thp", "no",
			    "working-set", "64K", "machine",
			    "pack:2 core:2 pu:1" } },
};

/* Interrupts and lock waits in the picture are those of the run, one by one and
 * to the cycle. */
static void test_complete(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct timed_result *plain;
		struct drawn d;
		u64 n;

		draw(&d, points[i].workload, points[i].pairs, 1u << 20);
		assert_int_equal(0, d.dropped);
		check_nesting(&d);
		assert_int_equal(d.r->count.v[CTR_CSD_QUEUE_CPU], check_arrows(&d));
		assert_int_equal(cycles_ps(&d, CYC_RESPOND),
				 named_ps(&d, "interrupt", &n));
		assert_int_equal(d.r->count.v[CTR_IRQS], n);
		assert_int_equal(cycles_ps(&d, CYC_LOCK_WAIT),
				 named_ps(&d, "wait for lock", &n));
		named_ps(&d, "page fault", &n);
		assert_int_equal(d.r->count.v[CTR_PAGE_FAULTS], n);
		named_ps(&d, "migrate_page", &n);
		assert_int_equal(d.r->count.v[CTR_PGMIGRATE_SUCCESS], n);

		d.s.p.probe = NULL;
		plain = point_run(&d.s);
		assert_memory_equal(plain, d.r, sizeof(*plain));
		free(plain);
		wipe(&d);
	}
}

static u64 count_events(const struct drawn *d)
{
	u64 n = 0;
	json_t *e;
	size_t i;

	json_array_foreach(d->events, i, e)
		n += strcmp(text(e, "ph"), "M") != 0;
	return n;
}

/* At any bound: no more than that many, nothing half, and the file says how
 * much is missing. */
static void test_bounded(void **state)
{
	struct drawn all;

	draw(&all, points[1].workload, points[1].pairs, 1u << 20);
	assert_int_equal(all.kept, count_events(&all));
	for (u64 max = 1; max < 200; max += max < 20 ? 1 : 17) {
		struct drawn d;
		json_t *about;

		draw(&d, points[1].workload, points[1].pairs, max);
		about = json_object_get(d.root, "otherData");
		assert_true(d.kept <= max && d.kept + 1 >= max);
		assert_int_equal(d.kept, count_events(&d));
		assert_int_equal(all.kept, d.kept + d.dropped);
		assert_int_equal(d.dropped, json_integer_value(
					 json_object_get(about, "dropped")));
		assert_true(json_real_value(json_object_get(
				about, "complete_until_us")) > 0);
		check_nesting(&d);
		check_arrows(&d);
		wipe(&d);
	}
	wipe(&all);
}

static void test_no_file(void **state)
{
	struct timeline *tl;

	assert_true(timeline_create(&tl, "/nowhere/t.json", 10, &err) < 0);
	assert_contains(err.text, "/nowhere/t.json");
	assert_null(tl);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_complete),
	cmocka_unit_test(test_bounded),
	cmocka_unit_test(test_no_file),
};

TEST_MAIN(tests)
