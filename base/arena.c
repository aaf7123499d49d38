#include <errno.h>
#include <sys/mman.h>

#include "base/arena.h"

/* Outside the regions that ASLR, sanitizer shadows and valgrind use. */
#define PREFERRED_BASE ((void *)0x200000000000ull)

int arena_create(struct arena *a, size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p = mmap(PREFERRED_BASE, bytes, PROT_READ | PROT_WRITE,
		       flags | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	a->base = p;
	a->reserved = bytes;
	a->used = 0;
	return 0;
}

void arena_destroy(struct arena *a)
{
	if (a->base)
		munmap(a->base, a->reserved);
	a->base = NULL;
	a->reserved = a->used = 0;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t align = bytes >= 64 ? 64 : 8;
	size_t at = (a->used + align - 1) & ~(align - 1);

	if (bytes > a->reserved || at > a->reserved - bytes)
		return NULL;
	a->used = at + ((bytes + 7) & ~(size_t)7);
	return a->base + at;
}
