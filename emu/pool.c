#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/pool.h"

struct worker {
	pid_t pid;
	int fd;
	u32 job;
	size_t got;
};

struct state {
	const struct pool *p;
	struct worker *w;
	u32 nr_workers, next, running, reported, ended;
	u8 *results;                    /* [nr_jobs] x result_bytes; any_order:
					 * [nr_workers]                       */
	int *status;                    /* [nr_jobs], -1: not ended           */
	bool *is_whole;                 /* [nr_jobs], all of the result came  */
	int rc;
};

static int write_all(int fd, const u8 *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static void work(const struct pool *p, u32 job, int fd)
{
	u8 *result = calloc(1, p->result_bytes);
	int rc;

	/* Not longer than whoever asked. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!result)
		_exit(125);
	rc = p->run(job, result, p->arg);
	if (write_all(fd, result, p->result_bytes))
		rc = 125;
	/* The caller's buffers are not ours to flush. */
	_exit(rc);
}

static int start(struct state *s, struct worker *w)
{
	int fd[2];

	if (pipe(fd))
		return -errno;
	w->pid = fork();
	if (w->pid < 0) {
		close(fd[0]);
		close(fd[1]);
		return -errno;
	}
	if (!w->pid) {
		close(fd[0]);
		work(s->p, s->next, fd[1]);
	}
	close(fd[1]);
	w->fd = fd[0];
	w->job = s->next++;
	w->got = 0;
	s->running++;
	return 0;
}

static u8 *result_of(const struct state *s, const struct worker *w)
{
	size_t slot = s->p->any_order ? (size_t)(w - s->w) : w->job;

	return s->results + slot * s->p->result_bytes;
}

static void report_job(struct state *s, u32 job, const u8 *result)
{
	int st = s->status[job];
	bool is_good = s->is_whole[job] && WIFEXITED(st) &&
		       WEXITSTATUS(st) != 125;

	s->p->done(job, is_good ? result : NULL, st, s->p->arg);
	if (st && !s->rc)
		s->rc = WIFEXITED(st) ? WEXITSTATUS(st) : 125;
}

static void report(struct state *s, const struct worker *w)
{
	if (s->p->any_order) {
		report_job(s, w->job, result_of(s, w));
		return;
	}
	while (s->reported < s->p->nr_jobs && s->status[s->reported] >= 0) {
		u32 job = s->reported++;

		report_job(s, job, s->results + job * s->p->result_bytes);
	}
}

/* Read what has come; at the end of it the worker is done. */
static void collect(struct state *s, struct worker *w)
{
	u8 *to = result_of(s, w);
	ssize_t n = read(w->fd, to + w->got, s->p->result_bytes - w->got);

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0) {
		w->got += (size_t)n;
		if (w->got < s->p->result_bytes)
			return;
	}
	close(w->fd);
	while (waitpid(w->pid, &s->status[w->job], 0) < 0 && errno == EINTR)
		;
	s->is_whole[w->job] = w->got == s->p->result_bytes;
	if (!s->is_whole[w->job] && !s->status[w->job])
		s->status[w->job] = 125 << 8;
	w->pid = 0;
	s->running--;
	s->ended++;
	if (s->p->progress)
		s->p->progress(s->ended, s->p->nr_jobs, s->p->arg);
	report(s, w);
}

static void kill_all(struct state *s)
{
	for (u32 i = 0; i < s->nr_workers; i++)
		if (s->w[i].pid) {
			kill(s->w[i].pid, SIGKILL);
			waitpid(s->w[i].pid, NULL, 0);
			close(s->w[i].fd);
			s->w[i].pid = 0;
		}
}

static int serve(struct state *s)
{
	while (s->next < s->p->nr_jobs || s->running) {
		struct pollfd fd[256];
		struct worker *of[256];
		nfds_t n = 0;

		if (s->p->stop && *s->p->stop)
			return -EINTR;
		for (u32 i = 0; i < s->nr_workers; i++) {
			struct worker *w = &s->w[i];

			if (!w->pid && s->next < s->p->nr_jobs) {
				int rc = start(s, w);

				if (rc)
					return rc;
			}
			if (w->pid) {
				fd[n] = (struct pollfd){ .fd = w->fd,
							 .events = POLLIN };
				of[n++] = w;
			}
		}
		if (poll(fd, n, 200) < 0 && errno != EINTR)
			return -errno;
		for (nfds_t i = 0; i < n; i++)
			if (fd[i].revents)
				collect(s, of[i]);
	}
	return 0;
}

int pool_run(const struct pool *p)
{
	struct state s = { .p = p, .nr_workers = p->nr_workers };
	int rc;

	if (!p->nr_jobs)
		return 0;
	if (!s.nr_workers) {
		long n = sysconf(_SC_NPROCESSORS_ONLN);

		s.nr_workers = n > 0 ? (u32)n : 1;
	}
	if (s.nr_workers > p->nr_jobs)
		s.nr_workers = p->nr_jobs;
	if (s.nr_workers > 256)
		s.nr_workers = 256;
	s.w = calloc(s.nr_workers, sizeof(*s.w));
	s.results = calloc(p->any_order ? s.nr_workers : p->nr_jobs,
			   p->result_bytes);
	s.status = malloc(p->nr_jobs * sizeof(int));
	s.is_whole = calloc(p->nr_jobs, sizeof(bool));
	if (!s.w || !s.results || !s.status || !s.is_whole) {
		rc = -ENOMEM;
	} else {
		for (u32 i = 0; i < p->nr_jobs; i++)
			s.status[i] = -1;
		/* What is buffered is written once, not once a worker. */
		fflush(NULL);
		rc = serve(&s);
		kill_all(&s);
	}
	free(s.w);
	free(s.results);
	free(s.status);
	free(s.is_whole);
	return rc ? rc : s.rc;
}
