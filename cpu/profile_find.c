/* profile_find.c - where machines/NAME.ini is looked for, and what names there
 * are.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cpu/profile.h"
#include "cpu/profile_builtin.h"

#define MAX_FILE_BYTES (1u << 20)

static bool is_path(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') ||
	       (len > 4 && !strcmp(name + len - 4, ".ini"));
}

#define NR_DIRS 4

/* The @i-th folder to look in, "" when it does not apply. */
static const char *search_dir(u32 i, char *buf, size_t size)
{
	const char *env = getenv("TLBEMU_MACHINES");
	ssize_t len;

	buf[0] = '\0';
	switch (i) {
	case 0:
		snprintf(buf, size, "%s", env ? env : "");
		break;
	case 1:
		snprintf(buf, size, "machines");
		break;
	default:
		len = readlink("/proc/self/exe", buf, size - 1);
		if (len <= 0)
			break;
		buf[len] = '\0';
		/* build/tlbemu: build/machines, then machines. */
		for (u32 up = 1; up < i; up++) {
			char *slash = strrchr(buf, '/');

			*(slash ? slash : buf) = '\0';
		}
		len = (ssize_t)strlen(buf);
		snprintf(buf + len, size - (size_t)len, "/machines");
	}
	return buf;
}

static int parse_file(struct profile **out, const char *path, struct err *e)
{
	char *text;
	size_t len;
	FILE *f = fopen(path, "r");
	int err;

	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	text = malloc(MAX_FILE_BYTES + 1);
	if (!text) {
		fclose(f);
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	}
	errno = 0;
	len = fread(text, 1, MAX_FILE_BYTES + 1, f);
	if (ferror(f))
		err = err_set(e, errno ? -errno : -EIO, "%s: %s", path,
			      strerror(errno ? errno : EIO));
	else if (len > MAX_FILE_BYTES)
		err = err_set(e, -EINVAL, "%s: larger than 1 MiB: not a machine "
			      "profile", path);
	else
		err = profile_parse(out, path, text, len, e);
	fclose(f);
	free(text);
	return err;
}

/* The file that @name stands for, or "". */
static const char *find_file(const char *name, char *path, size_t size)
{
	char dir[3000];

	for (u32 i = 0; i < NR_DIRS; i++) {
		if (!*search_dir(i, dir, sizeof(dir)))
			continue;
		if ((size_t)snprintf(path, size, "%s/%s.ini", dir, name) < size &&
		    access(path, F_OK) == 0)
			return path;
	}
	path[0] = '\0';
	return path;
}

static const struct profile_builtin *find_builtin(const char *name)
{
	for (size_t i = 0; i < nr_profile_builtin; i++)
		if (!strcmp(profile_builtin[i].name, name))
			return &profile_builtin[i];
	return NULL;
}

static bool is_name(const char *name)
{
	char path[4096];

	return *find_file(name, path, sizeof(path)) || find_builtin(name);
}

/* Is @name @part before one of @name's dashes? */
static bool begins_with(const char *name, const char *part)
{
	size_t len = strlen(part);

	return len && !strncmp(name, part, len) && name[len] == '-';
}

/* The first of @names that begins with @part; *@nr: how many do. */
static const char *find_longer(char **names, const char *part, u32 *nr)
{
	const char *first = NULL;

	*nr = 0;
	for (; names && *names; names++)
		if (begins_with(*names, part) && !(*nr)++)
			first = *names;
	return first;
}

bool profile_exists(const char *name)
{
	char **names;
	u32 nr;

	if (!*name || strchr(name, '/'))
		return false;
	if (is_name(name))
		return true;
	names = profile_names();
	find_longer(names, name, &nr);
	free(names);
	return nr > 0;
}

static int load_named(struct profile **out, const char *name, struct err *e)
{
	const struct profile_builtin *b;
	char path[4096];

	if (*find_file(name, path, sizeof(path)))
		return parse_file(out, path, e);
	b = find_builtin(name);
	snprintf(path, sizeof(path), "built-in %s.ini", name);
	return profile_parse(out, path, b->start, (size_t)(b->end - b->start),
			     e);
}

/* "; which of zen1-naples, ...?" */
static const char *which(char **names, const char *part, char *buf, size_t size)
{
	size_t at = (size_t)snprintf(buf, size, "; which of");
	const char *comma = "";

	for (char **n = names; *n && at < size; n++)
		if (begins_with(*n, part)) {
			at += (size_t)snprintf(buf + at, size - at, "%s %s",
					       comma, *n);
			comma = ",";
		}
	if (at < size)
		snprintf(buf + at, size - at, "?");
	return buf;
}

int profile_load(struct profile **out, const char *name, struct err *e)
{
	const char *longer;
	char hint[128];
	char **names;
	u32 nr;
	int rc;

	if (is_path(name))
		return parse_file(out, name, e);
	if (is_name(name))
		return load_named(out, name, e);
	names = profile_names();
	longer = find_longer(names, name, &nr);
	if (nr == 1)
		rc = load_named(out, longer, e);
	else
		rc = err_set(e, -ENOENT, "no machine profile '%s'%s", name,
			     !names ? "" : nr ?
			     which(names, name, hint, sizeof(hint)) :
			     suggest_text(name, (const char *const *)names,
					  hint, sizeof(hint)));
	free(names);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

#define MAX_NAMES 256
#define MAX_NAME 64

static void add_name(char **names, u32 *nr, const char *name, size_t len)
{
	char *to;

	if (!len || len >= MAX_NAME || *nr == MAX_NAMES)
		return;
	for (u32 i = 0; i < *nr; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return;
	to = (char *)(names + MAX_NAMES + 1) + (size_t)*nr * MAX_NAME;
	memcpy(to, name, len);
	to[len] = '\0';
	names[(*nr)++] = to;
}

char **profile_names(void)
{
	char **names = calloc(1, (MAX_NAMES + 1) * sizeof(*names) +
				 MAX_NAMES * MAX_NAME);
	char path[4096];
	u32 nr = 0;

	if (!names)
		return NULL;
	for (size_t i = 0; i < nr_profile_builtin; i++)
		add_name(names, &nr, profile_builtin[i].name,
			 strlen(profile_builtin[i].name));
	for (u32 i = 0; i < NR_DIRS; i++) {
		struct dirent *d;
		DIR *dir = opendir(search_dir(i, path, sizeof(path)));

		while (dir && (d = readdir(dir))) {
			size_t len = strlen(d->d_name);

			if (len > 4 && !strcmp(d->d_name + len - 4, ".ini"))
				add_name(names, &nr, d->d_name, len - 4);
		}
		if (dir)
			closedir(dir);
	}
	qsort(names, nr, sizeof(*names), compare_names);
	return names;
}
