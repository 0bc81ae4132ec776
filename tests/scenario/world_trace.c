/*
 * world_trace.c: the story as text: one line an event, blocks by letters in order of appearance.  A story
 * is compared with the recorded one; QUORATE_RECORD=1 records.  See world.h.
 */
#include "world.h"

#ifndef TRACES
#error "TRACES: the folder of the recorded traces"
#endif

static void line(struct world *w, const char *text)
{
	size_t len = strlen(text);
	if (w->quiet)
		return;
	if (w->trace_len + len + 2 > w->trace_cap) {
		w->trace_cap = 2 * (w->trace_len + len + 2);
		w->trace = xrealloc(w->trace, w->trace_cap);
	}
	memcpy(w->trace + w->trace_len, text, len);
	w->trace_len += len;
	w->trace[w->trace_len++] = '\n';
	w->trace[w->trace_len] = '\0';
}

void world_say(struct world *w, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	line(w, text);
}

const char *name_of(const struct world *w, const struct qhash *hash)
{
	const struct wblock *b = world_block(w, hash);
	return b ? b->name : "?";
}

struct text {
	char buf[1024];
	size_t len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(t->buf + t->len, sizeof t->buf - t->len, fmt, ap);
	va_end(ap);
	if (len > 0 && t->len + (size_t)len < sizeof t->buf)
		t->len += (size_t)len;
}

static unsigned long long number(uint64_t n)
{
	return n;
}

static void add_view_change(const struct world *w, struct text *t, const struct qview_change *vc)
{
	if (vc->tip.tip_len)
		add(t, " tip %s", name_of(w, &vc->tip.tip_val->vote.block));
	if (vc->stable.stable_len)
		add(t, " stable h%llu", number(vc->stable.stable_val->vote.height.n));
	add(t, " P{");
	for (u_int k = 0; k < vc->prepared.prepared_len; k++)
		add(t, "%s%s@v%llu", k ? " " : "", name_of(w, &vc->prepared.prepared_val[k].cert.vote.block),
		    number(vc->prepared.prepared_val[k].cert.vote.view.n));
	add(t, "}");
}

static void add_vote(const struct world *w, struct text *t, const char *kind, const struct qvote *v)
{
	add(t, "%s v%llu h%llu %s", kind, number(v->view.n), number(v->height.n), name_of(w, &v->block));
}

static bool add_message(const struct world *w, struct text *t, const struct message *m)
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	const struct qvote *v = &m->m.qmessage_u.vote;
	const struct qchain *c = &m->m.qmessage_u.chain;
	struct qhash hash;
	switch (m->m.kind) {
	case QPRE_PREPARE:
		block_hash(&p->header, &hash);
		add(t, "PRE-PREPARE v%llu h%llu %s", number(p->view.n), number(p->header.height.n),
		    name_of(w, &hash));
		return true;
	case QPREPARE:
		add_vote(w, t, "PREPARE", v);
		return true;
	case QCOMMIT:
		add_vote(w, t, "COMMIT", v);
		return true;
	case QCHECKPOINT:
		add(t, "CHECKPOINT h%llu %s", number(v->height.n), name_of(w, &v->block));
		return true;
	case QVIEW_CHANGE:
		add(t, "VIEW-CHANGE v%llu", number(m->m.qmessage_u.view_change.view.n));
		add_view_change(w, t, &m->m.qmessage_u.view_change);
		return true;
	case QNEW_VIEW:
		add(t, "NEW-VIEW v%llu V{", number(m->m.qmessage_u.new_view.view.n));
		for (u_int k = 0; k < m->m.qmessage_u.new_view.changes.changes_len; k++)
			add(t, "%s%u", k ? " " : "", m->m.qmessage_u.new_view.changes.changes_val[k].sender);
		add(t, "}");
		return true;
	case QCHAIN:
		add(t, "CHAIN of %u up to %s", c->headers.headers_len, name_of(w, &c->cert.vote.block));
		return true;
	case QSTATUS:
	case QTXS:
	case QGET_TXS:
	case QGET_CHAIN:
	case QGET_BODIES:
	case QBODY:
	case QGET_EVIDENCE:
	case QEVIDENCE:
		break;
	}
	return false;
}

void trace_send(struct world *w, unsigned from, const struct message *m, uint64_t to, bool again)
{
	struct text t = {.len = 0};
	add(&t, "%u ", from);
	if (m->sender != from)
		add(&t, "relays %u's ", m->sender);
	if (!add_message(w, &t, m))
		return;
	add(&t, " ->");
	for (unsigned i = 0; i < w->n; i++)
		if (to & ONLY(i))
			add(&t, " %u", i);
	if (again && m->sender == from)
		add(&t, " again");
	line(w, t.buf);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t len = 0, got;
	if (!f)
		return NULL;
	do {
		text = xrealloc(text, len + 4097);
		got = fread(text + len, 1, 4096, f);
		len += got;
	} while (got > 0);
	text[len] = '\0';
	fclose(f);
	return text;
}

static size_t line_len(const char *text)
{
	return strcspn(text, "\n");
}

static void first_difference(const char *name, const char *want, const char *is)
{
	unsigned number = 1;
	while (*want && *is && line_len(want) == line_len(is) && memcmp(want, is, line_len(is)) == 0) {
		want += line_len(want) + (want[line_len(want)] == '\n');
		is += line_len(is) + (is[line_len(is)] == '\n');
		number++;
	}
	fprintf(stderr,
	        "%s/%s.txt:%u\n  recorded: %.*s\n  now:      %.*s\nif the new story is right: "
	        "QUORATE_RECORD=1 ctest -R scenario/\n",
	        TRACES, name, number, (int)line_len(want), want, (int)line_len(is), is);
}

void trace_compare(struct world *w, const char *name)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s.txt", TRACES, name);
	if (!w->trace)
		world_say(w, "(nothing happens)");
	if (getenv("QUORATE_RECORD")) {
		FILE *f = fopen(path, "wb");
		if (!f || fwrite(w->trace, 1, w->trace_len, f) != w->trace_len || fclose(f) != 0)
			world_broken(w, "cannot write %s", path);
		return;
	}
	char *want = read_file(path);
	bool same = want && strcmp(want, w->trace) == 0;
	if (!want)
		fprintf(stderr, "%s is missing: QUORATE_RECORD=1 makes it\n", path);
	else if (!same)
		first_difference(name, want, w->trace);
	free(want);
	if (!same)
		fail();
}
