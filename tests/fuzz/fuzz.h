/* fuzz.h - what a fuzz target is: one source file with these three, linked with
 * driver.c (gcc alone) or with libFuzzer (clang -fsanitize=fuzzer).
 *
 * A target reads its input as a user's file would be read, and checks what the
 * reader promises. Whatever the input, it must return: a refusal is fine.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/types.h"

/* Given by the target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
extern const char *const fuzz_seeds[];  /* inputs that are taken, NULL-ended  */

/* An unmet promise: with its line, and as a crash, which keeps the input. */
#define FUZZ_CHECK(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
			#cond); \
		abort(); \
	} \
} while (0)

/* A refusal is one line that says something. */
#define FUZZ_CHECK_REFUSAL(ret, e) do { \
	FUZZ_CHECK((ret) < 0 && (e).text[0]); \
	FUZZ_CHECK(!strchr((e).text, '\n')); \
} while (0)

/* With FUZZ_SEEDS_TO=DIR in the environment a target writes its seeds there and
 * ends: a corpus for libFuzzer. */
__attribute__((constructor)) static void fuzz_write_seeds(void)
{
	const char *dir = getenv("FUZZ_SEEDS_TO");
	char path[512];

	for (int i = 0; dir && fuzz_seeds[i]; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/seed%d", dir, i);
		f = fopen(path, "w");
		FUZZ_CHECK(f && fputs(fuzz_seeds[i], f) >= 0 && !fclose(f));
	}
	if (dir)
		_exit(0);
}

/* fuzz_fd - @data as a file without a name, at its beginning. */
static inline int fuzz_fd(const uint8_t *data, size_t bytes)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", 0);
	FUZZ_CHECK(fd >= 0 && !ftruncate(fd, 0) &&
		   pwrite(fd, data, bytes, 0) == (ssize_t)bytes &&
		   !lseek(fd, 0, SEEK_SET));
	return fd;
}

/* fuzz_path - @data as a file that can be opened by name. */
static inline const char *fuzz_path(const uint8_t *data, size_t bytes)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_fd(data, bytes));
	return path;
}

#endif
