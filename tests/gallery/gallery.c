/*
 * gallery.c: every crime of the gallery is done to a real file, which the real program audits.
 *
 *   gallery            as a test: each verdict is the one that the table of crimes has
 *   gallery --table    prints the table that README.md shows
 *
 * QUORATE names the program.
 */
#include "crime.h"

#define CRIMES_MIN 40

struct room {
	const char *title;
	const struct crime *crimes;
};
static const struct room rooms[] = {
    {"Rows, the schema, the file", crimes_rows},   {"History and certificates", crimes_chain},
    {"A quorum against the rules", crimes_quorum}, {"Two histories", crimes_forks},
    {"What a journal cannot tell", crimes_untold}, {"What a ledger alone cannot tell", crimes_alone},
};
#define ROOM_CNT (sizeof rooms / sizeof *rooms)

/* ---- doing it ----------------------------------------------------------------------------------- */

/* What came of one. */
struct outcome {
	int code;
	char *errs;     /* what the program said beside its report */
	json_t *report; /* NULL: there is none */
	json_t *ledger; /* the suspect's part of it; borrowed */
	bool differs;   /* from the honest file */
};

static void drop(struct outcome *o)
{
	json_decref(o->report);
	free(o->errs);
}

static bool same_bytes(const char *a, const char *b)
{
	FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
	int x, y;

	assert_true(f && g);
	do {
		x = getc(f);
		y = getc(g);
	} while (x == y && x != EOF);
	fclose(f);
	fclose(g);
	return x == y;
}

/* The deed, in a scene of its own: end_scene(). */
static struct scene set_scene(const struct crime *c)
{
	struct scene s = {.w = world_of(c->world)};

	s.suspect = s.witness = s.w->honest; /* for its keys */
	snprintf(s.suspect.path, sizeof s.suspect.path, "%.60s/suspect.db", s.w->honest.dir);
	snprintf(s.witness.path, sizeof s.witness.path, "%.60s/witness.db", s.w->honest.dir);
	copy_file(s.w->honest.path, s.suspect.path);
	if (c->sql)
		edit(&s.suspect, c->sql);
	if (c->commit)
		c->commit(&s);
	return s;
}

static void end_scene(struct scene *s)
{
	ledger_close(s->writer);
	place_remove(&s->suspect);
	place_remove(&s->witness);
}

static struct outcome perform(const struct crime *c)
{
	struct scene s = set_scene(c);
	struct outcome o = {0};
	const char *paths[3];
	char wal[128];
	size_t cnt = 0;

	if (c->beside)
		paths[cnt++] = s.w->honest.path;
	paths[cnt++] = s.suspect.path;
	if (access(s.witness.path, F_OK) == 0)
		paths[cnt++] = s.witness.path;
	snprintf(wal, sizeof wal, "%s-wal", s.suspect.path);
	o.differs = access(wal, F_OK) == 0 || !same_bytes(s.suspect.path, s.w->honest.path);
	o.report = gallery_audit(s.w->genesis, paths, cnt, &o.code, &o.errs);
	o.ledger = json_array_get(json_object_get(o.report, "ledgers"), c->beside);
	end_scene(&s);
	return o;
}

/* ---- what was said -------------------------------------------------------------------------------- */

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));
	return value ? value : "";
}

/* The finding that the sentence asks for; without such, the first. */
static const json_t *finding(const struct outcome *o, const struct sentence *want)
{
	const json_t *findings = json_object_get(o->ledger, "findings"), *first = json_array_get(findings, 0);
	size_t i;
	json_t *f;

	json_array_foreach((json_t *)findings, i, f)
	{
		if (want->kind && strcmp(text(f, "kind"), want->kind) == 0 &&
		    strcmp(text(f, "where"), want->where) == 0)
			return f;
	}
	return first;
}

/* "0 2": the replicas that are blamed. */
static char *culprits(const json_t *divergence, char *out, size_t cap)
{
	size_t i, len = 0;
	json_t *culprit;

	out[0] = '\0';
	json_array_foreach(json_object_get(divergence, "culprits"), i, culprit)
	{
		const json_t *number =
		    json_is_integer(culprit) ? culprit : json_object_get(culprit, "replica");
		len += (size_t)snprintf(out + len, cap - len, "%s%d", i ? " " : "",
		                        (int)json_integer_value(number));
	}
	return out;
}

/* NULL: the sentence is the one that is wanted; else what is wrong with it. */
static const char *judge(const struct outcome *o, const struct sentence *want)
{
	const json_t *f = finding(o, want), *divergence = json_object_get(o->report, "divergence");
	char who[64];

	if (o->code != want->code)
		return "another exit code";
	if (!want->standing)
		return o->report                       ? "there is a report"
		       : !strstr(o->errs, want->words) ? "another error"
		                                       : NULL;
	if (!o->ledger)
		return "no report";
	if (strcmp(text(o->ledger, "standing"), want->standing) != 0)
		return "another standing";
	if (want->kind &&
	    (!f || strcmp(text(f, "kind"), want->kind) != 0 || strcmp(text(f, "where"), want->where) != 0))
		return "not found there";
	if (want->words && (!f || !strstr(text(f, "message"), want->words)))
		return "another message";
	if (!want->blame)
		return divergence && !json_is_null(divergence) ? "the ledgers diverge" : NULL;
	if (strcmp(text(divergence, "blame"), want->blame) != 0)
		return "another blame";
	return strcmp(culprits(divergence, who, sizeof who), want->culprits) ? "other culprits" : NULL;
}

static bool holds(const struct crime *c, const struct outcome *o, bool is_crime)
{
	const char *wrong = is_crime && !o->differs ? "nothing was done" : judge(o, &c->sentence);

	if (wrong) {
		char *report = o->report ? json_dumps(o->report, JSON_INDENT(1)) : xstrdup("");
		print_error("%s: %s: exit %d: %s%s\n", c->name, wrong, o->code, o->errs, report);
		free(report);
	}
	return !wrong;
}

/* ---- all of them ---------------------------------------------------------------------------------- */

#define TRIED_MAX 256

static struct tried {
	size_t room; /* ROOM_CNT: honest */
	const struct crime *crime;
	struct outcome outcome;
} tried[TRIED_MAX];
static size_t tried_cnt;

static void try_all(void)
{
	for (size_t i = 0; i <= ROOM_CNT; i++)
		for (const struct crime *c = i < ROOM_CNT ? rooms[i].crimes : honest; c->name; c++) {
			assert_true(tried_cnt < TRIED_MAX);
			tried[tried_cnt++] = (struct tried){i, c, perform(c)};
		}
}

static void forget_all(void)
{
	while (tried_cnt > 0)
		drop(&tried[--tried_cnt].outcome);
}

/* ---- the table ------------------------------------------------------------------------------------- */

/* With whom it blames. */
static void print_verdict(FILE *to, const struct outcome *o)
{
	const json_t *divergence = json_object_get(o->report, "divergence");
	char who[64];

	if (!o->report) {
		fprintf(to, "refused, exit %d", o->code);
		return;
	}
	fputs(text(o->ledger, "standing"), to);
	if (!divergence || json_is_null(divergence))
		return;
	fprintf(to, ", %s", text(divergence, "blame"));
	if (*culprits(divergence, who, sizeof who))
		fprintf(to, ": replicas %s", who);
}

static void print_row(FILE *to, const struct crime *c, const struct outcome *o)
{
	const json_t *f = c->sentence.kind ? finding(o, &c->sentence) : NULL;

	fprintf(to, "| %s | %s | %s | ", c->name, c->who, c->deed);
	print_verdict(to, o);
	if (f)
		fprintf(to, " | %s at `%s` |\n", text(f, "kind"), text(f, "where"));
	else
		fputs(" | - |\n", to);
}

static void print_table(FILE *to)
{
	for (size_t i = 0; i < tried_cnt; i++) {
		const struct tried *t = &tried[i];
		bool begins = i == 0 || tried[i - 1].room != t->room;
		if (t->room == ROOM_CNT)
			break;
		if (begins)
			fprintf(to,
			        "%s## %s\n\n| crime | by whom | what | verdict | place "
			        "|\n|---|---|---|---|---|\n",
			        i ? "\n" : "", rooms[t->room].title);
		print_row(to, t->crime, &t->outcome);
	}
}

/* ---- the tests ---------------------------------------------------------------------------------------- */

static void passes_what_is_honest(void **state)
{
	unsigned wrong = 0;
	(void)state;
	for (size_t i = 0; i < tried_cnt; i++)
		if (tried[i].room == ROOM_CNT)
			wrong += !holds(tried[i].crime, &tried[i].outcome, false);
	assert_int_equal(wrong, 0);
}

static void finds_every_crime(void **state)
{
	unsigned wrong = 0;
	(void)state;
	for (size_t i = 0; i < tried_cnt; i++)
		if (tried[i].room < ROOM_CNT)
			wrong += !holds(tried[i].crime, &tried[i].outcome, true);
	assert_int_equal(wrong, 0);
}

/* Without those that one ledger cannot tell. */
static void there_are_enough_crimes_of_different_names(void **state)
{
	size_t found = 0;
	(void)state;
	for (size_t i = 0; i < tried_cnt; i++) {
		const char *standing = tried[i].crime->sentence.standing;
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(tried[k].crime->name, tried[i].crime->name);
		found += tried[i].room < ROOM_CNT && (!standing || strcmp(standing, "sound") != 0);
	}
	assert_true(found >= CRIMES_MIN);
}

static const struct crime *crime_of(const char *name)
{
	for (size_t i = 0; i < tried_cnt; i++)
		if (strcmp(tried[i].crime->name, name) == 0)
			return tried[i].crime;
	fail_msg("no crime is called %s", name);
	return NULL;
}

/* The transaction that a crime on PLAIN added. */
static void added(const struct place *p, char id[65])
{
	sqlite3 *db = place_sqlite(p);
	sqlite3_stmt *stmt;

	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT txid FROM transactions WHERE seq = 12", -1, &stmt, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	hex_encode(id, sqlite3_column_blob(stmt, 0), 32);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* A receipt proves that a quorum signed, not that it kept the rules: those `quorate trace` checks itself. */
static void a_trace_believes_no_quorum(void **state)
{
	static const struct {
		const char *crime, *says;
	} cases[] = {{"inflation", "does not pay out what it spends"},
	             {"burning", "does not pay out what it spends"},
	             {"theft", "spends what its signers do not own"},
	             {"before-it-was-made", "spends what was made after it"},
	             {"from-nothing", "no final transaction has this id"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct scene s = set_scene(crime_of(cases[i].crime));
		char id[65];
		int code;
		added(&s.suspect, id);
		char *errs = gallery_trace(s.w->genesis, s.suspect.path, id, &code);
		if (code != 1 || !strstr(errs, cases[i].says))
			fail_msg("%s: exit %d: %s", cases[i].crime, code, errs);
		free(errs);
		end_scene(&s);
	}
}

static void the_readme_has_these_verdicts(void **state)
{
	char *table = NULL, *readme = xcalloc(1, 1 << 20);
	size_t len;
	FILE *to = open_memstream(&table, &len), *from = fopen(GALLERY_README, "r");
	(void)state;
	assert_true(to && from);
	print_table(to);
	fclose(to);
	assert_true(fread(readme, 1, (1 << 20) - 1, from) > 0);
	fclose(from);
	if (!strstr(readme, table))
		fail_msg("%s is of yesterday; `gallery --table` prints what it must have", GALLERY_README);
	free(table);
	free(readme);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_what_is_honest),
	    cmocka_unit_test(finds_every_crime),
	    cmocka_unit_test(there_are_enough_crimes_of_different_names),
	    cmocka_unit_test(a_trace_believes_no_quorum),
	    cmocka_unit_test(the_readme_has_these_verdicts),
	};
	int failed = 0;

	worlds_make();
	try_all();
	if (argc > 1 && strcmp(argv[1], "--table") == 0)
		print_table(stdout);
	else
		failed = cmocka_run_group_tests_name("gallery", tests, NULL, NULL);
	forget_all();
	worlds_remove();
	return failed;
}
