/* dir.h - for tests that write files: a folder of their own, "dir", that goes when
 * they end; and their main(), of which an argument names one test.
 *
 *	DIR_MAIN(tests)
 */
#ifndef TESTS_DIR_H
#define TESTS_DIR_H

#include "tests/check.h"

static char dir[64];

/* Good until the fourth call after. */
static inline const char *in_dir(const char *name)
{
	static char path[4][128];
	static u32 next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static inline int dir_set_up(void **state)
{
	check_tmpdir(dir);
	return 0;
}

static inline int dir_clean_up(void **state)
{
	check_rmdir(dir);
	return 0;
}

#define DIR_MAIN_FROM(tests, set_up) \
	int main(int argc, char **argv) \
	{ \
		if (argc > 1) \
			cmocka_set_test_filter(argv[1]); \
		return cmocka_run_group_tests(tests, set_up, dir_clean_up) \
			? 1 : 0; \
	}
#define DIR_MAIN(tests) DIR_MAIN_FROM(tests, dir_set_up)

#endif
