/* record.c - Valgrind as a child, its words through a pipe. */
#include "emu/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a program may take to end when asked to: then it is told with TERM,
 * then killed. */
#define TELL_MS 1000
#define KILL_MS 3000
#define PIPE_BYTES (1 << 20)

static const char *const options[] = {
	"--tool=lackey", "--trace-mem=yes", "--basic-counts=no",
	"--trace-syscalls=yes", "--trace-sched=yes",
	/* Children of a fork go on silently, programs of an exec natively. */
	"--child-silent-after-fork=yes", "--trace-children=no",
	/* Threads take turns. */
	"--fair-sched=try",
	/* No calls that the program did not make. */
	"--run-libc-freeres=no", "--run-cxx-freeres=no", "--vgdb=no",
};

struct child {
	pid_t pid;
	int pidfd, pipe;        /* the pipe does not block                    */
	u64 asked_at;           /* ms; 0: nobody asked it to end              */
	bool is_told;
};

/* ---- signals ------------------------------------------------------------------ */

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };
#define NR_STOP ARRAY_LEN(stop_signals)

static volatile sig_atomic_t got_signal, is_from_terminal;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	got_signal = sig;
	is_from_terminal = info->si_code > 0;
}

struct signals {
	struct sigaction act[NR_STOP];
	sigset_t mask;
};

/* From here on they only arrive while ppoll() waits, with old->mask. Who sends
 * INT to a recorder wants it to stop, even from a script whose background jobs
 * ignore it; HUP stays ignored under nohup. */
static void take_signals(struct signals *old)
{
	struct sigaction act = { .sa_sigaction = on_signal,
				 .sa_flags = SA_SIGINFO };
	sigset_t mine;

	got_signal = 0;
	sigemptyset(&mine);
	for (size_t i = 0; i < NR_STOP; i++) {
		sigaction(stop_signals[i], NULL, &old->act[i]);
		if (stop_signals[i] != SIGHUP ||
		    old->act[i].sa_handler != SIG_IGN)
			sigaddset(&mine, stop_signals[i]);
	}
	sigprocmask(SIG_BLOCK, &mine, &old->mask);
	for (size_t i = 0; i < NR_STOP; i++)
		if (sigismember(&mine, stop_signals[i]))
			sigaction(stop_signals[i], &act, NULL);
}

static void give_signals_back(const struct signals *old)
{
	for (size_t i = 0; i < NR_STOP; i++)
		sigaction(stop_signals[i], &old->act[i], NULL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
}

/* ---- the child ---------------------------------------------------------------- */

int record_find(const char *name, char *path, size_t bytes)
{
	const char *dirs = getenv("PATH"), *end;
	bool is_path = strchr(name, '/');
	int rc = -ENOENT;
	struct stat st;

	if (!dirs || is_path)
		dirs = is_path ? "" : "/usr/local/bin:/bin:/usr/bin";
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		if (is_path)
			snprintf(path, bytes, "%s", name);
		else
			snprintf(path, bytes, "%.*s%s%s", (int)(end - dirs),
				 dirs, end > dirs ? "/" : "", name);
		if (!stat(path, &st) && S_ISREG(st.st_mode)) {
			if (!access(path, X_OK))
				return 0;
			rc = -EACCES;
		}
		if (!*end)
			return rc;
	}
}

static void exec_child(const struct record_job *job, int log,
		       const struct signals *old)
{
	char fd[32];
	const char **argv;
	size_t n = 0, nr_args = 0;

	while (job->argv[nr_args])
		nr_args++;
	argv = calloc(ARRAY_LEN(options) + nr_args + 3, sizeof(*argv));
	if (!argv)
		_exit(126);
	argv[n++] = job->valgrind;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		argv[n++] = options[i];
	snprintf(fd, sizeof(fd), "--log-fd=%d", log);
	argv[n++] = fd;
	for (size_t i = 0; i < nr_args; i++)
		argv[n++] = job->argv[i];
	/* If we die, nobody reads what it has to say. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < NR_STOP; i++)
		signal(stop_signals[i], old->act[i].sa_handler == SIG_IGN
		       ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
	execv(job->valgrind, (char **)argv);
	fprintf(stderr, "tlbemu: cannot run %s: %s\n", job->valgrind,
		strerror(errno));
	_exit(126);
}

static int start(const struct record_job *job, const struct signals *old,
		 struct child *c, struct err *e)
{
	int fd[2], rc;

	/* Valgrind moves its end out of the program's way. */
	if (pipe(fd) < 0)
		return err_set(e, -errno, "record: no pipe: %s", strerror(errno));
	fcntl(fd[0], F_SETFD, FD_CLOEXEC);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	fcntl(fd[0], F_SETPIPE_SZ, PIPE_BYTES);
	fflush(NULL);
	c->pid = fork();
	if (!c->pid)
		exec_child(job, fd[1], old);
	rc = c->pid < 0 ? -errno : 0;
	close(fd[1]);
	c->pidfd = rc ? -1 : pidfd_open(c->pid, 0);
	if (!rc && c->pidfd < 0) {
		rc = -errno;
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (rc) {
		close(fd[0]);
		return err_set(e, rc, "record: cannot start a process: %s",
			       strerror(-rc));
	}
	c->pipe = fd[0];
	return 0;
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* Not reaped yet, so the number is still its. */
static void ask_to_end(struct child *c, int sig)
{
	if (sig)
		kill(c->pid, sig);
	if (!c->asked_at)
		c->asked_at = now_ms();
}

static void insist(struct child *c)
{
	u64 waited = c->asked_at ? now_ms() - c->asked_at : 0;

	if (waited >= TELL_MS && !c->is_told) {
		c->is_told = true;
		kill(c->pid, SIGTERM);
	}
	if (waited >= KILL_MS)
		kill(c->pid, SIGKILL);
}

/* ---- the stream --------------------------------------------------------------- */

struct stream {
	struct child c;
	struct record_parser *p;
	bool is_open, is_kept;  /* else what comes is thrown away             */
};

/* What is in the pipe: all of it, or until signals and progress should get
 * their turn. Return: 0 or an error; either may have closed @s. */
static int drain(struct stream *s, bool is_all, struct err *e)
{
	static u8 sink[1 << 16];
	size_t room, n = 1;

	for (room = n; s->is_open && (is_all || n == room); ) {
		u8 *at = sink;
		ssize_t got;
		int rc;

		room = sizeof(sink);
		if (s->is_kept)
			at = record_room(s->p, &room);
		got = read(s->c.pipe, at, room);
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			s->is_open = false;
		if (got < 0)
			return err_set(e, -errno, "record: cannot read from "
				       "valgrind: %s", strerror(errno));
		n = (size_t)got;
		rc = s->is_kept ? record_feed(s->p, n, e) : 0;
		if (rc)
			return rc;
		if (record_stats(s->p)->is_full)
			s->is_kept = false;
	}
	return 0;
}

/* Until something is to be read or the child has ended, for a moment at most
 * once it was asked to end. Only here can signals arrive. */
static void wait_for_more(const struct stream *s, const struct signals *old)
{
	struct pollfd fds[] = {
		{ .fd = s->c.pidfd, .events = POLLIN },
		{ .fd = s->is_open ? s->c.pipe : -1, .events = POLLIN },
	};
	struct timespec t = { .tv_nsec = 100000000 };

	ppoll(fds, ARRAY_LEN(fds), s->c.asked_at ? &t : NULL, &old->mask);
}

static void obey_signal(struct child *c, struct record_result *res)
{
	if (!got_signal)
		return;
	/* ^C has reached the program by itself. A second one is an order. */
	if (c->asked_at)
		kill(c->pid, SIGKILL);
	else
		ask_to_end(c, is_from_terminal ? 0 : got_signal);
	res->ending = RECORD_INTERRUPTED;
	got_signal = 0;
}

static bool has_ended(const struct child *c, siginfo_t *info)
{
	info->si_pid = 0;
	return !waitid(P_PID, (id_t)c->pid, info, WEXITED | WNOHANG | WNOWAIT) &&
	       info->si_pid;
}

static int follow(const struct record_job *job, struct stream *s,
		  const struct signals *old, struct record_result *res,
		  struct err *e)
{
	struct child *c = &s->c;
	siginfo_t info;
	int failed = 0;
	bool is_over;

	do {
		bool was_kept = s->is_kept;
		int rc;

		wait_for_more(s, old);
		obey_signal(c, res);
		/* First look, then read all it wrote before it ended. */
		is_over = has_ended(c, &info);
		rc = drain(s, is_over, e);
		if (rc && !failed) {
			failed = rc;
			s->is_kept = false;
		}
		if (was_kept && !s->is_kept) {
			ask_to_end(c, SIGTERM);
			if (!failed && res->ending == RECORD_EXITED)
				res->ending = RECORD_LIMIT;
		}
		if (job->progress)
			job->progress(job->arg,
				      record_stats(s->p)->nr_accesses);
		insist(c);
	} while (!is_over);
	waitid(P_PID, (id_t)c->pid, &info, WEXITED);
	if (res->ending == RECORD_EXITED && info.si_code != CLD_EXITED)
		res->ending = RECORD_KILLED;
	res->status = info.si_status;
	return failed ? failed : record_end(s->p, e);
}

int record_run(const struct record_job *job, struct trace_writer *w,
	       struct record_result *res, struct err *e)
{
	struct stream s = { .is_open = true, .is_kept = true };
	struct signals old;
	int rc;

	*res = (struct record_result){ .ending = RECORD_EXITED };
	rc = record_parser_create(&s.p, &job->cfg, w, e);
	if (rc)
		return rc;
	take_signals(&old);
	rc = start(job, &old, &s.c, e);
	if (!rc) {
		rc = follow(job, &s, &old, res, e);
		close(s.c.pipe);
		close(s.c.pidfd);
	}
	give_signals_back(&old);
	res->stats = *record_stats(s.p);
	record_parser_free(s.p);
	return rc;
}
