/*
 * why.c: the diagnosis of `quorate why`: a table of questions, each of which may add a finding.
 */
#include "why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	SILENT_MS = 5000,      /* unheard for so long: it is away */
	DISK_FEW = 256u << 20, /* bytes */
};

/* What is known of a replica. */
struct replica_view {
	const struct why_node *node; /* its own word; NULL: not asked, or no answer */
	const struct why_node *seen_by;
	const struct why_peer *peer; /* of seen_by: who heard it last; NULL: nobody says */
	bool votes;
};

struct judging {
	const struct why_view *v;
	struct why_answer *out;
	struct replica_view replicas[Q_REPLICAS_MAX];
	const struct why_node *best; /* the highest that answers */
	bool all_asked;              /* so who has not answered is away, whatever others heard a moment ago */
};

static const char *name_of(const struct judging *j, unsigned replica)
{
	return j->v->g->g.replicas.replicas_val[replica].name;
}

static struct why_finding *find(struct judging *j, const char *code, bool stops)
{
	struct why_answer *out = j->out;
	if (out->cnt == WHY_FINDINGS_MAX)
		return NULL;
	struct why_finding *f = &out->findings[out->cnt++];
	*f = (struct why_finding){.code = code, .stops = stops};
	return f;
}

__attribute__((format(printf, 2, 3))) static void put(char text[512], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	size_t used = strlen(text);
	vsnprintf(text + used, 512 - used, fmt, ap);
	va_end(ap);
}

static bool same_chain(const struct judging *j, const struct why_node *n)
{
	return n->answers && qhash_eq(&n->chain, &j->v->g->chain) && n->replica < j->v->g->n;
}

/* ---- what is seen ------------------------------------------------------------------------------ */

static void look_at_peers(struct judging *j, const struct why_node *n)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		struct replica_view *r = &j->replicas[i];
		const struct why_peer *p = &n->peer[i];
		if (i == n->replica)
			continue;
		if (r->peer == NULL || (p->heard && (!r->peer->heard || p->silent_ms < r->peer->silent_ms))) {
			r->peer = p;
			r->seen_by = n;
		}
	}
}

/* By its own word; else by that of whoever heard it last, unless all nodes were asked and it did not answer.
 */
static bool can_vote(const struct judging *j, const struct replica_view *r)
{
	if (r->node != NULL)
		return r->node->muted[0] == '\0';
	return !j->all_asked && r->peer != NULL && r->peer->heard && r->peer->connected &&
	       r->peer->silent_ms < SILENT_MS;
}

/* A node that is named twice is one; one that does not answer, or for another chain, may be any. */
static bool all_asked(const struct judging *j)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < j->v->g->n; i++)
		cnt += j->replicas[i].node != NULL;
	for (size_t i = 0; i < j->v->cnt; i++)
		cnt += !same_chain(j, &j->v->nodes[i]);
	return cnt >= j->v->g->n;
}

static void look(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		if (!same_chain(j, n))
			continue;
		j->replicas[n->replica].node = n;
		if (j->best == NULL || n->height > j->best->height)
			j->best = n;
		look_at_peers(j, n);
	}
	j->all_asked = all_asked(j);
	for (unsigned i = 0; i < j->v->g->n; i++) {
		j->replicas[i].votes = can_vote(j, &j->replicas[i]);
		j->out->voters += j->replicas[i].votes;
	}
}

/* ---- questions ---------------------------------------------------------------------------------- */

static void silent_nodes(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		struct why_finding *f = n->answers ? NULL : find(j, "no_answer", false);
		if (f == NULL)
			continue;
		put(f->text, "%.200s", n->silence);
		put(f->action, "look whether that node runs, and at the end of its node.log; start it "
		               "(`quorate node --home HOME`), or name another with --node");
	}
}

static void other_chains(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		char theirs[QHASH_HEX], ours[QHASH_HEX];
		if (!n->answers || qhash_eq(&n->chain, &j->v->g->chain))
			continue;
		struct why_finding *f = find(j, "other_chain", false);
		if (f == NULL)
			return;
		put(f->text, "%.100s is of another chain, %.12s; this one is %.12s", n->url,
		    hex_encode(theirs, n->chain.b, sizeof n->chain.b),
		    hex_encode(ours, j->v->g->chain.b, sizeof j->v->g->chain.b));
		if (n->other[0] != '\0')
			put(f->text, "; their genesis files differ in %.100s", n->other);
		put(f->action,
		    "give every node the same genesis.json, byte for byte (`quorate genesis check`); a "
		    "home that has run on another one needs a new ledger");
	}
}

static void put_absence(struct judging *j, char text[512], unsigned replica)
{
	const struct replica_view *r = &j->replicas[replica];
	put(text, "%s", name_of(j, replica));
	if (r->node != NULL)
		put(text, " (does not vote)");
	else if (r->peer != NULL && r->peer->heard)
		put(text, " (last heard %llu s ago)", (unsigned long long)(r->peer->silent_ms / 1000));
	else
		put(text, " (never heard)");
}

static void quorum(struct judging *j)
{
	const struct genesis *g = j->v->g;
	unsigned missing = g->n - j->out->voters, told = 0;
	if (missing == 0 || j->best == NULL)
		return;
	bool stops = j->out->voters < g->quorum;
	struct why_finding *f = find(j, stops ? "no_quorum" : "replica_away", stops);
	if (f == NULL)
		return;
	put(f->text, "%u of %u replicas can vote, and a block takes %u: missing ", j->out->voters, g->n,
	    g->quorum);
	for (unsigned i = 0; i < g->n; i++) {
		if (j->replicas[i].votes)
			continue;
		if (told++ > 0)
			put(f->text, ", ");
		put_absence(j, f->text, i);
	}
	if (stops)
		put(f->action,
		    "bring back %u of them; nothing is lost meanwhile, and nothing can become final",
		    g->quorum - j->out->voters);
	else if (j->out->voters == g->quorum)
		put(f->action, "bring it back soon: the chain goes on, but not without one more");
	else
		put(f->action, "bring it back: the chain goes on without it");
}

static void muted(struct judging *j)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		struct why_finding *f = n == NULL || n->muted[0] == '\0' ? NULL : find(j, "muted", false);
		if (f == NULL)
			continue;
		put(f->text, "%s does not vote: %.250s", name_of(j, i), n->muted);
		put(f->action,
		    "it votes again by itself once the chain has gone on for two checkpoints; where the "
		    "chain is idle, make payments");
	}
}

static void connections(struct judging *j)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		for (unsigned k = 0; n != NULL && k < j->v->g->n; k++) {
			/* One that answers us, but not its peer. */
			if (k == i || n->peer[k].connected || j->replicas[k].node == NULL)
				continue;
			struct why_finding *f = find(j, "not_connected", false);
			if (f == NULL)
				return;
			put(f->text, "%s runs, but %s cannot connect to it at %.150s", name_of(j, k),
			    name_of(j, i), j->v->g->g.replicas.replicas_val[k].address);
			put(f->action,
			    "compare that address with [node] listen in the node.conf of %s and with "
			    "[peers] in that of %s; look at firewalls between them",
			    name_of(j, k), name_of(j, i));
		}
	}
}

/* A view is entered once a quorum asks for it, so one replica that asks alone waits for others. */
static void views(struct judging *j)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		struct why_finding *f = n == NULL || n->active ? NULL : find(j, "view_change", false);
		if (f == NULL)
			continue;
		put(f->text, "%s asks for view %llu, with %s as its primary, and is in none meanwhile",
		    name_of(j, i), (unsigned long long)n->view, name_of(j, (unsigned)(n->view % j->v->g->n)));
		put(f->action,
		    "wait: a view is entered once %u replicas ask for it; each that fails takes twice as "
		    "long as the one before",
		    j->v->g->quorum);
	}
}

static void lagging(struct judging *j)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		uint64_t lag = n == NULL ? 0 : j->best->height - n->height;
		struct why_finding *f = lag <= j->v->g->g.params.window ? NULL : find(j, "behind", false);
		if (f == NULL)
			continue;
		put(f->text, "%s is at height %llu, %llu blocks behind", name_of(j, i),
		    (unsigned long long)n->height, (unsigned long long)lag);
		put(f->action, "wait: it fetches them; if its height stands still, see its node.log");
	}
}

/* No proposal goes further above the stable checkpoint than the log is long. */
static void watermark(struct judging *j)
{
	const struct qparams *p = &j->v->g->g.params;
	const struct why_node *n = j->best;
	if (n == NULL || n->certified < n->stable + 2 * (uint64_t)p->checkpoint_interval)
		return;
	struct why_finding *f = find(j, "watermark", true);
	if (f == NULL)
		return;
	put(f->text,
	    "block %llu is certified, but the last stable checkpoint is %llu: the high watermark is reached",
	    (unsigned long long)n->certified, (unsigned long long)n->stable);
	put(f->action,
	    "%u replicas have to execute up to the next checkpoint: see which of them stand still, and "
	    "why (disk, node.log)",
	    j->v->g->quorum);
}

static void clocks(struct judging *j)
{
	int64_t most = (int64_t)j->v->g->g.params.drift_ms;
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		struct why_finding *f = n == NULL || (n->clock_ms <= most && n->clock_ms >= -most)
		                            ? NULL
		                            : find(j, "clock", false);
		if (f == NULL)
			continue;
		put(f->text, "the clock of %s is %lld ms %s this machine's; the chain bears %lld ms",
		    name_of(j, i), (long long)(n->clock_ms < 0 ? -n->clock_ms : n->clock_ms),
		    n->clock_ms < 0 ? "behind" : "ahead of", (long long)most);
		put(f->action, "set both clocks by NTP (timedatectl)");
	}
}

static void disks(struct judging *j)
{
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		struct why_finding *f = n == NULL || n->disk_free >= DISK_FEW ? NULL : find(j, "disk", false);
		if (f == NULL)
			continue;
		put(f->text, "the disk of %s has %llu MiB left for its ledger", name_of(j, i),
		    (unsigned long long)(n->disk_free >> 20));
		put(f->action,
		    "make room: a replica that cannot write stops, and can be started again when there is "
		    "room");
	}
}

static void (*const questions[])(struct judging *j) = {
    other_chains, quorum, muted, watermark, connections, views, lagging, clocks, disks, silent_nodes,
};

/* ---- the answer ---------------------------------------------------------------------------------- */

static bool waits(const struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		if (same_chain(j, &j->v->nodes[i]) && j->v->nodes[i].waiting > 0)
			return true;
	}
	return false;
}

static bool one_stops(const struct why_answer *a)
{
	for (size_t i = 0; i < a->cnt; i++) {
		if (a->findings[i].stops)
			return true;
	}
	return false;
}

/* Those that stop the chain first; else in the order in which they were found. */
static void order(struct why_answer *a)
{
	for (size_t i = 1; i < a->cnt; i++) {
		struct why_finding f = a->findings[i];
		size_t at = i;
		for (; at > 0 && f.stops && !a->findings[at - 1].stops; at--)
			a->findings[at] = a->findings[at - 1];
		a->findings[at] = f;
	}
}

void why_judge(const struct why_view *v, struct why_answer *out)
{
	struct judging j = {.v = v, .out = out};
	*out = (struct why_answer){.quorum = v->g->quorum};
	look(&j);
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		questions[i](&j);
	out->idle = !waits(&j);
	bool stuck = one_stops(out) || (!out->idle && !v->moved);
	out->verdict = j.best == NULL ? WHY_BLIND : stuck && !v->moved ? WHY_STUCK : WHY_FINE;
	if (out->verdict == WHY_STUCK && !one_stops(out)) {
		struct why_finding *f = find(&j, "unexplained", true);
		if (f != NULL) {
			put(f->text,
			    "transactions wait, a quorum is there, and no block was made while we looked");
			put(f->action,
			    "ask again in %u s: a primary that makes nothing is replaced within that time; "
			    "then look into the node.log of each",
			    2 * v->g->g.params.timeout_ms / 1000 + 1);
		}
	}
	order(out);
}
