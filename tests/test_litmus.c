/* Litmus tests: the reader's errors, the shipped tests' verdicts, and on random
 * programs the explorer's final states against an enumerator that does every
 * fill and eviction on its own (tests/ref_litmus.c).
 *
 * TEST_SEED chooses the programs, TEST_PROGRAMS how many.
 */
#include "tests/check.h"

#include <dirent.h>
#include <errno.h>

#include "base/rng.h"
#include "emu/litmus_run.h"
#include "tests/ref_litmus.h"

#ifdef __SANITIZE_ADDRESS__
#define MANY(n) ((n) / 10)
#else
#define MANY(n) (n)
#endif

static struct litmus *parse(const char *text)
{
	struct litmus *t = NULL;
	struct err e;

	if (litmus_parse(&t, "t", text, strlen(text), &e)) {
		print_error("# %s\n%s", e.text, text);
		fail();
	}
	return t;
}

/* ---- the reader ---------------------------------------------------------------------- */

static const struct {
	const char *text, *error;
} bad[] = {
	{ "", "t:1:1: expected 'X86VM'" },
	{ "X86 SB\n", "t:1:1: expected 'X86VM', the format's name, found 'X86'" },
	{ "X86VM\n", "the test's name" },
	{ "X86VM a b\n", "the test's name" },
	{ "X86VM a\n{ x=0 }\n", "t:2:7: expected ';', found '}'" },
	{ "X86VM a\nHW=fast\n{ }", "t:2:1: expected HW=precet, found 'fast'" },
	{ "X86VM a\nVariant=retry\n{ }", "t:2:1: expected Variant=fatal" },
	{ "X86VM a\nExpect=maybe\n{ }", "Never, Sometimes or Always" },
	{ "X86VM a\nwhat is\n{ }", "t:2:1: expected a line KEY=text, or '{'" },
	{ "X86VM a\n{ x=$1; }", "t:2:5: expected an integer, found '$'" },
	{ "X86VM a\n{ x=99999999999999999999; }", "at most 64 bits" },
	{ "X86VM a\n{ x=1a; }", "t:2:5: expected an integer" },
	{ "X86VM a\n{ [PTE(x)]=(P:2); }", "t:2:15: expected 0 or 1, found '2'" },
	{ "X86VM a\n{ [PTE(x)]=(X:1); }", "t:2:13: expected a field" },
	{ "X86VM a\n{ [PTE(x)]=(P:1,P:0); }", "each field once" },
	{ "X86VM a\n{ [PTE(x)]=(table); }", "only a PDE has" },
	{ "X86VM a\n{ [PTE(PTE)]=(P:1); }", "expected a location, found 'PTE'" },
	{ "X86VM a\n{ 0:CR3=5000; }", "a PCID from 0 to 4094" },
	{ "X86VM a\n{ 9:EAX=1; }", "a CPU from 0 to 7" },
	{ "X86VM a\n{ 0:TLB(x)=(P:0); }", "no TLB holds another" },
	{ "X86VM a\n{ 0:ZMM=1; }", "CR3, TLB(x) or a register" },
	{ "X86VM a\n{ }\n P1 ;\n", "t:3:2: expected 'P0', found 'P1'" },
	{ "X86VM a\n{ }\n P0 | P2 ;\n", "expected 'P1', found 'P2'" },
	{ "X86VM a\n{ }\n P0 ;\n JMP [x] ;\n", "t:4:2: expected an instruction" },
	{ "X86VM a\n{ }\n P0 ;\n MOV [x] ;\n", "t:4:10: expected ',', found ';'" },
	{ "X86VM a\n{ }\n P0 ;\n MOV [x],1 ;\n", "expected $ and an integer, or a register" },
	{ "X86VM a\n{ }\n P0 ;\n MOV EAX,EBX ;\n", "or $ and an integer, found 'EBX'" },
	{ "X86VM a\n{ }\n P0 | P1 ;\n CLI ;\n", "t:4:6: expected '|', found ';'" },
	{ "X86VM a\n{ }\n P0 ;\n CLI | CLI ;\n", "t:4:6: expected ';', found '|'" },
	{ "X86VM a\n{ }\n P0 ;\n L0: CLI ;\n L0: STI ;\n", "each label once" },
	{ "X86VM a\n{ }\n P0 ;\n IPI {P1},[x] ;\n", "a CPU that the program has" },
	{ "X86VM a\n{ }\n P0 ;\n MOV CR3,$1,FLUSH ;\n", "expected 'NOFLUSH'" },
	{ "X86VM a\n{ }\n P0 ;\n LOCK SUB [PHY(x)],$1 ;\n", "expected ADD or FLD" },
	{ "X86VM a\n{ }\n P0 ;\n LOCK FLD EAX,[PDE(x)],(oa:PA(x)) ;\n", "PS:1 beside oa" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\n", "found the end of the file" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (0:EAX)\n", "t:5:14: expected '=' or '.'" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (1:EAX=0)\n", "a CPU that the program has" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (fault(P0:L0,x))\n", "a label of that thread" },
	{ "X86VM a\n{ }\n P0 ;\n L0: MOV [x],$1 ;\nexists (fault(P0:L0,x,XX))\n", "PDE, PTE, RW or US" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (x=0 /\\)\n", "expected an atom" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (x=0 y=0)\n", "expected ')', '/\\' or '\\/', found 'y'" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\nexists (x=0) more\n", "'locations' or the end of the file" },
	{ "X86VM a\n{ }\n P0 ;\n CLI ;\n~forall (x=0)\n", "expected 'exists'" },
	{ "X86VM a\n{ 3:EAX=1; }\n P0 ;\n CLI ;\nexists (x=0)\n", "sets up CPU 3; the program has 1" },
	{ "X86VM a\n(* open\n{ }\n", "t:2:1: this comment never ends" },
	{ "X86VM a\n{ x=0; }\n P0 ;\n MOV [x],$\001 ;\n", "found a byte of value 1" },
};

static void test_errors(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
		struct litmus *t = NULL;
		struct err e = { "" };

		assert_int_equal(litmus_parse(&t, "t", bad[i].text,
					      strlen(bad[i].text), &e), -EINVAL);
		assert_contains(e.text, bad[i].error);
		assert_null(strchr(e.text, '\n'));
	}
}

static void test_everything_in_the_grammar(void **state)
{
	struct litmus *t = parse(
		"(* first (* nested *) *)\n"
		"X86VM all+of-it.x\n"
		"HW=precet\n"
		"Variant=retry,3\n"
		"Some-key=free text, with anything {;}\n"
		"{ x=5; y=-1; z=0x10; [PTE(w)]=(oa:PA(x),P:1,RW:0,US:1,A:0,D:0,G:1);\n"
		"  [PDE(x)]=(table); [PDE(y)]=(PS:1,oa:PA(z)); 0:CR3=none; 1:CR3=7;\n"
		"  P1:TLB(x)=(RW:0); 0:EDI=4; }\n"
		" P0                 | P1                          ;\n"
		" L0: MOV [x],$1     | XCHG [PHY(x)],EAX           ;\n"
		" MOV [y],EAX        | LOCK ADD [PHY(x)],$2        ;\n"
		" MOV EBX,[x]        | MOV [PHY(y)],ECX            ;\n"
		" MOV ECX,$3         | MOV EDX,[PHY(y)]            ;\n"
		" MOV [PTE(x)],(P:0) | MOV ESI,[PTE(x)]            ;\n"
		" XCHG EAX,[PTE(x)],(P:1,oa:PA(y)) | LOCK FLD EAX,[PTE(x)],(D:0,A:0) ;\n"
		" MFENCE             | INVLPG [x]                  ;\n"
		" MOV CR3,$3,NOFLUSH | MOV CR3,$4                  ;\n"
		" IPI {P1},[x]       | SERVICE                     ;\n"
		" WAIT               |                             ;\n"
		" SHOOT {P0,P1},[y]  | CLI                         ;\n"
		" SPIN_LOCK [PHY(l)] | STI                         ;\n"
		" SPIN_UNLOCK [PHY(l)] | MOV [PDE(x)],(PS:1)       ;\n"
		"~exists (~(0:EAX=1 \\/ x=2) /\\ [PTE(x)].D=1 /\\ fault(P0:L0,x,RW)\n"
		"  /\\ [PTE(x)].oa=PA(y) /\\ 1:ESI.P=0 /\\ 1:ESI.oa=PA(x))\n"
		"locations [y; 1:EDX; [PTE(y)]; fault(P0:L0,x);]\n");

	assert_string_equal(t->name, "all+of-it.x");
	assert_true(t->is_precet && t->has_pde);
	assert_int_equal(t->retries, 3);
	assert_string_equal(litmus_info(t, "Some-key"),
			    "free text, with anything {;}");
	assert_int_equal(t->nr_locs, 5);
	assert_int_equal(t->nr_insns[0], 15);
	assert_int_equal(t->nr_insns[1], 12);
	assert_int_equal((int64_t)t->frame[1], -1);
	assert_int_equal(t->quantifier, LIT_NOT_EXISTS);
	assert_int_equal(t->nr_shown, 9);
	litmus_free(t);
}

/* /\ binds tighter than \/, ~ tighter than both. */
static void test_precedence(void **state)
{
	struct litmus *t = parse("X86VM a\n{ x=1; }\n P0 ;\n CLI ;\n"
				 "exists (x=1 \\/ x=1 /\\ x=0)\n");
	struct litmus *u = parse("X86VM a\n{ x=1; }\n P0 ;\n CLI ;\n"
				 "exists (~x=0 /\\ x=0 \\/ x=0)\n");
	struct litmus_state s;

	memset(&s, 0, sizeof(s));
	s.frame[0] = 1;
	assert_true(litmus_holds(t, &s));
	assert_false(litmus_holds(u, &s));
	litmus_free(t);
	litmus_free(u);
}

/* ---- shipped tests ---------------------------------------------------------------------- */

#define DIR_OF_TESTS "tests/litmus"

static const char *const models[] = { "sc", "x86", "arm" };

static void check_file(const char *name, u32 *nr_verdicts, char **texts,
		       u32 *nr_texts)
{
	char path[300], key[32];
	struct litmus *t = NULL;
	struct err e;

	snprintf(path, sizeof(path), DIR_OF_TESTS "/%s", name);
	if (litmus_read(&t, path, &e)) {
		print_error("# %s\n", e.text);
		fail();
	}
	for (u32 m = 0; m < 3; m++) {
		const struct litmus_hw hw = { (enum memory_model)m, true, true,
					      true };
		const struct litmus_limits lim = { .max_states = 5000000 };
		struct litmus_result r;
		const char *want;

		snprintf(key, sizeof(key), "Expect-%s", models[m]);
		want = litmus_info(t, key);
		if (!want && m == MEM_TSO)
			want = litmus_info(t, "Expect");
		if (!want)
			continue;
		assert_int_equal(litmus_run(t, &hw, &lim, &r), 0);
		if (r.outcome != EXPLORE_PROVED ||
		    strcmp(want, litmus_observation(&r))) {
			print_error("# %s, %s: want %s, got %s\n", name,
				    models[m], want, litmus_observation(&r));
			fail();
		}
		(*nr_verdicts)++;
		free(r.final);
	}
	if (!litmus_info(t, "Reason") || !litmus_info(t, "Expect")) {
		print_error("# %s: no Expect= or no Reason=\n", name);
		fail();
	}
	texts[(*nr_texts)++] = check_slurp(path);
	litmus_free(t);
}

/* Broken in a random place, a test is still a test or still an error: never
 * more than that. */
static void mutate(char *text, struct rng *seed)
{
	size_t n = strlen(text), at = rng_u64(seed) % n, len;

	switch (rng_u64(seed) % 4) {
	case 0:
		text[at] = (char)(rng_u64(seed) % 256);
		break;
	case 1:
		text[at] = 0;
		break;
	case 2:
		text[at] = "(){}[]|;:=,$~/\\*0 \nPx"[rng_u64(seed) % 22];
		break;
	default:
		len = rng_u64(seed) % (n - at);
		memmove(text + at, text + at + len, n - at - len + 1);
	}
}

static void test_shipped(void **state)
{
	char *texts[200];
	u32 nr_verdicts = 0, nr_texts = 0, nr_errors = 0;
	struct rng seed;
	DIR *d = opendir(DIR_OF_TESTS);
	struct dirent *f;

	rng_init(&seed, check_seed("mutated litmus files"));
	assert_non_null(d);
	while ((f = readdir(d)))
		if (strstr(f->d_name, ".litmus") && nr_texts < 200)
			check_file(f->d_name, &nr_verdicts, texts, &nr_texts);
	closedir(d);
	printf("# %u tests, %u verdicts\n", nr_texts, nr_verdicts);
	assert_true(nr_texts >= 33);
	for (u32 i = 0; i < MANY(20000); i++) {
		char *text = strdup(texts[i % nr_texts]);
		struct litmus *t = NULL;
		struct err e = { "" };

		for (u32 k = 1 + (u32)(rng_u64(&seed) % 3); k && *text; k--)
			mutate(text, &seed);
		if (litmus_parse(&t, "t", text, strlen(text), &e)) {
			assert_memory_equal(e.text, "t:", 2);
			nr_errors++;
		} else {
			litmus_free(t);
		}
		free(text);
	}
	printf("# %u of %u mutants are errors\n", nr_errors, MANY(20000));
	assert_true(nr_errors > MANY(20000) / 2);
	for (u32 i = 0; i < nr_texts; i++)
		free(texts[i]);
}

/* ---- random programs ---------------------------------------------------------------------- */

struct gen {
	char text[4096];
	u32 n;
	struct rng *seed;
	u32 cpus, locs;
	bool two_levels, has_pcids, has_irqs;
	u32 pde_writes;
};

static void put(struct gen *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct gen *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g->n += (u32)vsnprintf(g->text + g->n, sizeof(g->text) - g->n, fmt, ap);
	va_end(ap);
	assert_true(g->n < sizeof(g->text));
}

static u32 any(struct gen *g, u32 n)
{
	return (u32)(rng_u64(g->seed) % n);
}

static char a_loc(struct gen *g)
{
	return "xyz"[any(g, g->locs)];
}

static void put_entry(struct gen *g, bool may_be_absent)
{
	static const char *const some[] = {
		"RW:0", "D:0", "A:0", "A:0,D:0", "RW:0,D:0", "G:1", "US:0",
		"D:0,G:1", "RW:1", "P:0", "P:0", "P:0",
	};

	put(g, "(%s", some[any(g, may_be_absent ? 12 : 9)]);
	if (any(g, 2))
		put(g, ",oa:PA(%c)", a_loc(g));
	put(g, ")");
}

static const char *a_reg(struct gen *g)
{
	return any(g, 2) ? "EAX" : "EBX";
}

static void put_pde(struct gen *g)
{
	static const char *const some[] = {
		"(P:0)", "(table)", "(PS:1)", "(RW:0)", "(PS:1,D:0)", "(A:0)",
	};

	put(g, "%s", some[any(g, 6)]);
}

static void put_insn(struct gen *g, u32 cpu, u32 label)
{
	u32 kind = any(g, 20);
	char l = a_loc(g);

	if (kind < 4) {
		put(g, "L%u: MOV [%c],$%u", label, l, 1 + any(g, 2));
	} else if (kind < 8) {
		put(g, "L%u: MOV %s,[%c]", label, a_reg(g), l);
	} else if (kind < 11 && g->two_levels && any(g, 2)) {
		put(g, "MOV [PDE(%c)],", l);
		put_pde(g);
		g->pde_writes++;
	} else if (kind < 11) {
		put(g, "MOV [PTE(%c)],", l);
		put_entry(g, true);
	} else if (kind == 11) {
		put(g, "MOV %s,[PTE(%c)]", a_reg(g), l);
	} else if (kind == 12) {
		put(g, "XCHG %s,[PTE(%c)],", a_reg(g), l);
		put_entry(g, true);
	} else if (kind == 13) {
		put(g, "LOCK FLD %s,[PTE(%c)],(%s)", a_reg(g), l,
		    any(g, 2) ? "D:0" : any(g, 2) ? "RW:0" : "A:0");
	} else if (kind == 14) {
		put(g, any(g, 2) ? "MOV EAX,[PHY(%c)]"
				 : "MOV [PHY(%c)],$3", l);
	} else if (kind == 15) {
		put(g, any(g, 2) ? "MFENCE" : "LOCK ADD [PHY(x)],$4");
	} else if (kind == 16) {
		put(g, "INVLPG [%c]", l);
	} else if (kind == 17 && g->has_pcids) {
		put(g, "MOV CR3,$%u%s", any(g, 2),
		    any(g, 2) ? ",NOFLUSH" : "");
	} else if (kind == 18 && g->has_irqs) {
		put(g, "%s {P%u},[%c]", any(g, 2) ? "SHOOT" : "IPI",
		    (cpu + 1) % g->cpus, l);
	} else if (kind == 19 && g->has_irqs) {
		static const char *const some[] = { "CLI", "STI", "WAIT" };

		put(g, "%s", some[any(g, 3)]);
	} else {
		put(g, "MOV EBX,$%u", any(g, 3));
	}
}

static void generate(struct gen *g, struct rng *seed)
{
	u32 rows;

	memset(g, 0, sizeof(*g));
	g->seed = seed;
	g->cpus = 1 + any(g, 2) + !any(g, 4);
	g->locs = 1 + any(g, 2) + !any(g, 3);
	if (g->locs > 2 && g->cpus > 1)
		g->locs = 2;
	g->two_levels = !any(g, 3);
	g->has_pcids = !any(g, 3);
	g->has_irqs = any(g, 2);
	rows = g->cpus == 1 ? 5 : g->cpus == 2 ? 3 : 2;
	put(g, "X86VM random\n");
	if (!any(g, 4))
		put(g, "HW=precet\n");
	if (!any(g, 4))
		put(g, any(g, 2) ? "Variant=fatal\n" : "Variant=retry,1\n");
	put(g, "{ ");
	for (u32 i = 0; i < g->locs; i++)
		if (any(g, 2)) {
			put(g, "[PTE(%c)]=", "xyz"[i]);
			put_entry(g, !any(g, 3));
			put(g, "; ");
		}
	if (g->two_levels) {
		put(g, "[PDE(x)]=");
		put_pde(g);
		put(g, "; ");
	}
	if (!any(g, 4)) {
		put(g, "0:TLB(x)=");
		put_entry(g, false);
		put(g, "; ");
	}
	if (g->has_pcids && any(g, 2))
		put(g, "0:CR3=%s; ", any(g, 2) ? "none" : "1");
	put(g, "}\n");
	for (u32 c = 0; c < g->cpus; c++)
		put(g, "%s P%u ", c ? "|" : "", c);
	put(g, ";\n");
	for (u32 r = 0; r < rows; r++) {
		for (u32 c = 0; c < g->cpus; c++) {
			put(g, c ? " | " : " ");
			put_insn(g, c, r);
		}
		put(g, " ;\n");
	}
	put(g, "exists (x=1)\nlocations [y; [PTE(x)]; [PTE(y)]; 0:EAX; 0:EBX;");
	put(g, g->cpus > 1 ? " 1:EAX; 1:EBX;]\n" : "]\n");
}

static bool among(const struct litmus_state *s, const struct litmus_state *all,
		  u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (!memcmp(s, &all[i], sizeof(*s)))
			return true;
	return false;
}

static u32 print_missing(const struct litmus *t, const char *who,
			 const struct litmus_state *a, u32 n,
			 const struct litmus_state *b, u32 m)
{
	char line[1000];
	u32 missing = 0;

	for (u32 i = 0; i < n; i++) {
		if (among(&a[i], b, m))
			continue;
		litmus_print(t, &a[i], line, sizeof(line));
		if (missing++ < 3)
			print_error("# only %s: %s\n", who, line);
	}
	return missing;
}

static void compare(const struct gen *g, const struct litmus *t,
		    const struct litmus_result *r, const char *who,
		    const struct ref_finals *ref, bool is_exact)
{
	u32 lost = print_missing(t, "enumerated", ref->s, ref->n, r->final,
				 r->nr_finals);
	u32 extra = !is_exact ? 0 : print_missing(t, who, r->final,
						 r->nr_finals, ref->s, ref->n);

	if (!lost && !extra)
		return;
	print_error("# %u lost, %u extra of %u\n%s", lost, extra, ref->n,
		    g->text);
	fail();
}

static u32 check_random(const struct gen *g, u32 model)
{
	const struct litmus_limits lim = { .max_states = 1000000 };
	struct litmus *t = parse(g->text);
	struct ref_finals ref;
	u32 done = 0;

	ref_litmus(t, model == MEM_TSO, 300000, &ref);
	for (u32 is_reduced = 0; is_reduced < 2 && !ref.is_unfinished;
	     is_reduced++) {
		const struct litmus_hw hw = { (enum memory_model)model,
					      is_reduced, true, true };
		struct litmus_result r;

		assert_int_equal(litmus_run(t, &hw, &lim, &r), 0);
		if (r.outcome == EXPLORE_PROVED) {
			/* Members of paging-structure caches and of TLBs are
			 * independent sets: with upper entries that change
			 * more than once that is too many, never too few. */
			compare(g, t, &r, is_reduced ? "reduced" : "plain",
				&ref, g->pde_writes < 2);
			done++;
		}
		free(r.final);
	}
	free(ref.s);
	litmus_free(t);
	return done;
}

static void test_random(void **state)
{
	const char *text = getenv("TEST_PROGRAMS");
	u32 n = text ? (u32)atoi(text) : MANY(400), done = 0;
	static struct gen g;
	struct rng seed;

	rng_init(&seed, check_seed("random litmus tests"));
	for (u32 i = 0; i < n; i++) {
		generate(&g, &seed);
		done += check_random(&g, i % 4 ? MEM_TSO : MEM_SC);
	}
	printf("# %u of %u searches compared\n", done, 2 * n);
	assert_true(done > n);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_errors),
	cmocka_unit_test(test_everything_in_the_grammar),
	cmocka_unit_test(test_precedence),
	cmocka_unit_test(test_shipped),
	cmocka_unit_test(test_random),
};
TEST_MAIN(tests)
