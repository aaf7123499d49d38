/* machine.h - a machine for a test, or the error that there must be. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include "cpu/machine.h"
#include "tests/check.h"

static inline struct machine *create(const char *spec, const char *profile)
{
	struct machine *m = NULL;
	struct err e = { "" };

	if (machine_create(&m, spec, profile, &e))
		fail_msg("%s: %s", spec ? spec : "NULL", e.text);
	return m;
}

static inline void expect_error(int want, const char *spec, const char *profile,
			 const char *part, const char *part2)
{
	struct machine *m = NULL;
	struct err e = { "" };
	int got = machine_create(&m, spec, profile, &e);

	if (got != want || !strstr(e.text, part) || !strstr(e.text, part2))
		fail_msg("'%s': got %d '%s', wanted %d with '%s' and '%s'",
			 spec ? spec : profile, got, e.text, want, part, part2);
	assert_null(m);
}

/* A main: profiles of whoever runs the test are not looked at. */
#define MACHINE_MAIN(tests) \
	int main(int argc, char **argv) \
	{ \
		unsetenv("TLBEMU_MACHINES"); \
		if (argc > 1) \
			cmocka_set_test_filter(argv[1]); \
		return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0; \
	}

#endif
