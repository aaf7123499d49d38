# record.sh - how xz.tlbt, chase.tlbt and stream.tlbt were recorded, for who
# wants others: needs valgrind, xz and gcc; writes into tests/data.
#
# Three programs that use translations differently: a compressor (hash tables,
# a window, the stack), a list whose next node is anywhere in 4 MiB, and a sum of
# arrays, a[i] = b[i] + 3 c[i]. Each is cut to a window past its start-up.
set -e
cd "$(dirname "$0")/../.."
tlbemu=${TLBEMU:-build/tlbemu}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat > "$tmp/chase.c" <<'C'
#include <stdio.h>
#include <stdlib.h>

struct node { struct node *next; long pad[7]; };

int main(void)
{
	enum { N = 4 << 20 >> 6, STEPS = 400000 };
	struct node *v = aligned_alloc(4096, N * sizeof(*v)), *p;
	unsigned *order = malloc(N * sizeof(*order)), x = 1;
	long sum = 0;

	for (unsigned i = 0; i < N; i++)
		order[i] = i;
	for (unsigned i = N - 1; i > 0; i--) {
		unsigned k = (x = x * 1103515245u + 12345u) % (i + 1);
		unsigned o = order[i];

		order[i] = order[k];
		order[k] = o;
	}
	for (unsigned i = 0; i < N; i++) {
		v[order[i]].next = &v[order[(i + 1) % N]];
		v[order[i]].pad[0] = i;
	}
	p = v;
	for (int i = 0; i < STEPS; i++) {
		sum += p->pad[0];
		p = p->next;
	}
	printf("%ld\n", sum);
	return 0;
}
C
cat > "$tmp/stream.c" <<'C'
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	enum { N = 128 << 10 };
	double *a = malloc(N * 8), *b = malloc(N * 8), *c = malloc(N * 8);

	for (int i = 0; i < N; i++)
		b[i] = i, c[i] = 1;
	for (int pass = 0; pass < 4; pass++)
		for (int i = 0; i < N; i++)
			a[i] = b[i] + 3 * c[i];
	printf("%g\n", a[N - 1]);
	return 0;
}
C
gcc -O1 -o "$tmp/chase" "$tmp/chase.c"
gcc -O1 -o "$tmp/stream" "$tmp/stream.c"
cat emu/*.c | head -c 30000 > "$tmp/text"      # the sources of that day

# record NAME FROM COUNT COMMAND...: to a file, since lackey goes on for long
# when its reader has gone.
record() {
	name=$1 from=$2 count=$3
	shift 3
	valgrind --tool=lackey --trace-mem=yes --log-file="$tmp/log" "$@" \
		> "$tmp/out" 2>&1 < /dev/null
	"$tlbemu" trace import --no-fetch --name "$name" "$tmp/log" \
		-o "$tmp/all.tlbt"
	"$tlbemu" trace cut --from "$from" --count "$count" "$tmp/all.tlbt" \
		-o "tests/data/$name.tlbt"
}

record xz 1500000 600000 xz -6 -T1 -c "$tmp/text"
record chase 700000 300000 "$tmp/chase"
record stream 400000 600000 "$tmp/stream"

# threads.tlbt: two threads that allocate blocks, fill some of their pages, and
# free them; with events, by `tlbemu record`.
cat > "$tmp/threads.c" <<'C'
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static void *work(void *arg)
{
	for (int i = 0; i < 30; i++) {
		volatile char *p = malloc(200000 + i * 4096);

		for (int k = 0; k < 60000; k += 4096)
			p[k] = 1;
		sched_yield();
		free((void *)p);
	}
	return arg;
}

int main(void)
{
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}
C
gcc -O1 -pthread -o "$tmp/threads" "$tmp/threads.c"
MALLOC_MMAP_THRESHOLD_=100000 "$tlbemu" record --no-fetch --name threads \
	-o tests/data/threads.tlbt -- "$tmp/threads"
