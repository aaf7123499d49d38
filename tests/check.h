/* check.h - what every test includes: cmocka, a main, seeds, temporary files.
 *
 *	static void test_x(void **state) { ... }
 *	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_x) };
 *	TEST_MAIN(tests)
 *
 * `test_base` runs all cases, `test_base NAME` (or a pattern) some of them.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/types.h"

#define TEST_MAIN(tests) \
	int main(int argc, char **argv) \
	{ \
		if (argc > 1) \
			cmocka_set_test_filter(argv[1]); \
		return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0; \
	}

/* The same on a machine that all cases share; topology.h is the caller's. */
#define TEST_MAIN_ON(machine, spec, tests) \
	int main(int argc, char **argv) \
	{ \
		struct err e; \
		if (machine_create(&(machine), spec, NULL, &e)) { \
			fprintf(stderr, "%s\n", e.text); \
			return 1; \
		} \
		if (argc > 1) \
			cmocka_set_test_filter(argv[1]); \
		return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0; \
	}

/* The seed of a property test: TEST_SEED from the environment, else 1. It is
 * printed, so that a failure can be run again. */
static inline u64 check_seed(const char *what)
{
	const char *text = getenv("TEST_SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;

	printf("# %s: TEST_SEED=%llu\n", what, (unsigned long long)seed);
	return seed;
}

/* "want" within "text", with both printed when it is not. */
static inline void check_contains(const char *text, const char *want,
				  const char *file, int line)
{
	if (strstr(text, want))
		return;
	print_error("# want: %s\n# got:  %s\n", want, text);
	_fail(file, line);
}
#define assert_contains(text, want) \
	check_contains((text), (want), __FILE__, __LINE__)

/* A directory of its own for one test; check_rmdir() empties and removes it. */
static inline const char *check_tmpdir(char buf[64])
{
	snprintf(buf, 64, "/tmp/tlbemu-test-XXXXXX");
	if (!mkdtemp(buf))
		abort();
	return buf;
}

static inline void check_rmdir(const char *dir)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	if (system(cmd) != 0)
		abort();
}

/* All of a file as a string to free(); NULL when it cannot be opened. */
static inline char *check_slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 1 << 20, n;
	char *text;

	if (!f)
		return NULL;
	text = malloc(size);
	if (!text)
		abort();
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* A new file each time: ext4 writes one that is cut to nothing and filled again
 * out to the disk when it is closed. */
static inline void check_write(const char *path, const void *text, size_t bytes)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	if (!f || fwrite(text, 1, bytes, f) != bytes || fclose(f) != 0)
		abort();
}

#endif
