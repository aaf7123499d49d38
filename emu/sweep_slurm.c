#include "emu/sweep_slurm.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/outfile.h"

/* ---- which tasks ----------------------------------------------------------------- */

enum share { SHARE_OPEN, SHARE_RUNNING, SHARE_COMPLETE };

static int look_at_share(const struct sweep_slurm *j, u32 task, const char *path,
			 enum share *out, struct err *e)
{
	u32 all = sweep_grid_points(j->s->grid), n = 0;
	u32 *point = calloc(all / j->nr_tasks + 1, sizeof(*point));
	struct sweep s = *j->s;
	struct sweep_tally t;
	int rc;

	if (!point)
		return err_set(e, -ENOMEM, "out of memory");
	for (u32 p = task; p < all; p += j->nr_tasks)
		point[n++] = p;
	rc = sweep_db_open(&s.db, path, SWEEP_DB_READ, e);
	if (!rc) {
		rc = sweep_look(&s, point, n, &t, e);
		sweep_db_close(s.db);
	}
	if (!rc && t.done + (s.retry_failed ? 0 : t.failed) == n)
		*out = SHARE_COMPLETE;
	free(point);
	return rc;
}

static int look_at_task(const struct sweep_slurm *j, u32 task, enum share *out,
			struct err *e)
{
	char path[4096];

	*out = SHARE_OPEN;
	snprintf(path, sizeof(path), "%s/%u.db", j->dir, task);
	if (access(path, F_OK))
		return 0;
	if (sweep_db_is_busy(path)) {
		*out = SHARE_RUNNING;
		return 0;
	}
	return look_at_share(j, task, path, out, e);
}

/* "0,3,4": what is to be submitted. */
static int list_tasks(struct sweep_slurm *j, FILE *list, struct err *e)
{
	for (u32 i = 0; i < j->nr_tasks; i++) {
		enum share t;
		int rc = look_at_task(j, i, &t, e);

		if (rc)
			return rc;
		if (t == SHARE_OPEN)
			fprintf(list, "%s%u", j->nr_submitted++ ? "," : "", i);
		j->nr_running += t == SHARE_RUNNING;
		j->nr_complete += t == SHARE_COMPLETE;
	}
	return 0;
}

/* ---- the script --------------------------------------------------------------------- */

/* In single quotes, as sh reads them. */
static void put_quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", f);
		else
			fputc(*text, f);
	fputc('\'', f);
}

static int full_path(const char *path, char out[4096], struct err *e)
{
	return realpath(path, out) ? 0 : err_set(e, -errno, "%s: %s", path,
						 strerror(errno));
}

/* #SBATCH lines are no sh: a path there must not hold blanks or quotes. */
static int check_plain(const char *path, struct err *e)
{
	for (const char *p = path; *p; p++)
		if (isspace((unsigned char)*p) || strchr("'\"\\%", *p))
			return err_set(e, -EINVAL, "--slurm: '%s': Slurm "
				       "cannot take such a name", path);
	return 0;
}

static void put_script(const struct sweep_slurm *j, const char *tasks,
		       const char *dir, const char *exe, const char *cwd,
		       FILE *f)
{
	const struct experiment *x = j->s->x;

	fprintf(f, "#!/bin/sh\n#SBATCH --job-name=tlbemu-sweep\n"
		"#SBATCH --array=%s\n#SBATCH --cpus-per-task=%u\n"
		"#SBATCH --chdir=%s\n#SBATCH --output=%s/%%a.log\n"
		"#SBATCH --open-mode=append\n#SBATCH --requeue\n", tasks,
		j->cpus_per_task, cwd, dir);
	fputs("# A task that is killed or requeued goes on where it was.\nexec ",
	      f);
	put_quoted(f, exe);
	fputs(" sweep ", f);
	put_quoted(f, dir);
	fputs("/sweep.ini", f);
	for (u32 i = 0; i < x->nr_files; i++) {
		fputc(' ', f);
		put_quoted(f, x->files[i]);
	}
	fputs(" --db ", f);
	put_quoted(f, dir);
	fprintf(f, "/$SLURM_ARRAY_TASK_ID.db --share $SLURM_ARRAY_TASK_ID/%u "
		"-j %u%s --progress never\n", j->nr_tasks, j->cpus_per_task,
		j->s->retry_failed ? " --retry-failed" : "");
}

static int write_files(const struct sweep_slurm *j, const char *tasks,
		       struct err *e)
{
	char dir[4096], exe[4096], cwd[4096], path[8192];
	struct outfile o;
	int rc = full_path(j->dir, dir, e);

	if (!rc)
		rc = full_path("/proc/self/exe", exe, e);
	if (!rc)
		rc = full_path(".", cwd, e);
	if (!rc)
		rc = check_plain(dir, e);
	if (!rc)
		rc = check_plain(cwd, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/sweep.ini", dir);
	rc = outfile_open(&o, path, e);
	if (rc)
		return rc;
	j->print_grid(j->arg, o.f);
	rc = outfile_commit(&o, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/sweep.sbatch", dir);
	rc = outfile_open(&o, path, e);
	if (rc)
		return rc;
	put_script(j, tasks, dir, exe, cwd, o.f);
	return outfile_commit(&o, e);
}

/* ---- sbatch ---------------------------------------------------------------------------- */

#define MAX_WORDS 64

static void exec_sbatch(char *args, const char *script)
{
	const char *word[MAX_WORDS + 4] = { "sbatch", "--parsable" };
	u32 n = 2;
	char *rest = args;

	for (char *w; n < MAX_WORDS && (w = strtok_r(rest, " \t", &rest)); )
		word[n++] = w;
	word[n] = script;
	execvp("sbatch", (char *const *)word);
	_exit(errno == ENOENT ? 127 : 126);
}

static int submit(struct sweep_slurm *j, struct err *e)
{
	char script[4096], *args = strdup(j->args ? j->args : "");
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	snprintf(script, sizeof(script), "%s/sweep.sbatch", j->dir);
	if (!args || pipe(fd)) {
		free(args);
		return err_set(e, -ENOMEM, "cannot start sbatch: %s",
			       strerror(errno));
	}
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		exec_sbatch(args, script);
	}
	free(args);
	close(fd[1]);
	n = pid < 0 ? 0 : read(fd[0], j->job, sizeof(j->job) - 1);
	close(fd[0]);
	if (pid < 0)
		return err_set(e, -EAGAIN, "cannot start sbatch");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	j->job[n > 0 ? n : 0] = '\0';
	j->job[strcspn(j->job, ";\n")] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, -ENOSYS, "--slurm: there is no sbatch here "
			       "(Debian: slurm-client); %s is written", script);
	if (status || !j->job[0])
		return err_set(e, -EIO, "--slurm: sbatch refused %s", script);
	return 0;
}

int sweep_slurm(struct sweep_slurm *j, struct err *e)
{
	char *tasks = NULL;
	size_t size;
	FILE *list;
	int rc;

	if (mkdir(j->dir, 0777) && errno != EEXIST)
		return err_set(e, -errno, "cannot make '%s': %s", j->dir,
			       strerror(errno));
	list = open_memstream(&tasks, &size);
	if (!list)
		return err_set(e, -ENOMEM, "out of memory");
	rc = list_tasks(j, list, e);
	fclose(list);
	if (!rc && j->nr_submitted) {
		rc = write_files(j, tasks, e);
		if (!rc)
			rc = submit(j, e);
	}
	free(tasks);
	return rc;
}
