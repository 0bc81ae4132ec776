/*
 * why.c: the diagnosis of `quorate why`: a table of questions, each of which may add a finding.
 */
#include "why_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DISK_FEW = 256u << 20 }; /* bytes */

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

static void put_time(char text[512], uint64_t ms)
{
	if (ms < 5000)
		put(text, "%llu ms", (unsigned long long)ms);
	else if (ms < 2 * 3600 * 1000)
		put(text, "%llu s", (unsigned long long)(ms / 1000));
	else
		put(text, "%llu h", (unsigned long long)(ms / 3600000));
}

/* ---- questions ---------------------------------------------------------------------------------- */

/* Its home tells more. */
static bool is_told(const struct judging *j, const char *url)
{
	for (size_t i = 0; i < j->v->home_cnt; i++)
		if (j->v->homes[i].code != NULL && strcmp(j->v->homes[i].url, url) == 0)
			return true;
	return false;
}

static void homes(struct judging *j)
{
	for (size_t i = 0; i < j->v->home_cnt; i++) {
		const struct why_home *h = &j->v->homes[i];
		struct why_finding *f = h->code == NULL ? NULL : find(j, h->code, false);
		if (f == NULL)
			continue;
		if (h->replica >= 0)
			put(f->text, "%s: ", name_of(j, (unsigned)h->replica));
		put(f->text, "%s", h->text);
		put(f->action, "%s", h->action);
	}
}

/* One process has two addresses; two processes have two starts. */
static bool are_two(const struct why_node *a, const struct why_node *b)
{
	return a->started_ms != 0 && b->started_ms != 0 && a->started_ms != b->started_ms;
}

static void twins(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		const struct why_node *last = why_same_chain(j, n) ? j->replicas[n->replica].node : NULL;
		struct why_finding *f =
		    last == NULL || last == n || !are_two(last, n) ? NULL : find(j, "twins", false);
		if (f == NULL)
			continue;
		put(f->text, "%s answers at %.100s and at %.100s, and these are two processes with one key",
		    name_of(j, n->replica), n->url, last->url);
		put(f->action,
		    "stop one of them now, and never start it again: what two of them sign contradicts "
		    "itself, and whoever holds both convicts the replica");
	}
}

static void silent_nodes(struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		const struct why_node *n = &j->v->nodes[i];
		struct why_finding *f = n->answers || is_told(j, n->url) ? NULL : find(j, "no_answer", false);
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
	if (r->node != NULL) {
		put(text, r->node->muted[0] != '\0' ? " (does not vote)" : " (its clock is wrong)");
	} else if (r->peer != NULL && r->peer->heard) {
		put(text, " (last heard ");
		put_time(text, r->peer->silent_ms);
		put(text, " ago)");
	} else {
		put(text, " (never heard)");
	}
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

/* Enough can vote, but no vote reaches enough of them. */
static void partition(struct judging *j)
{
	const struct genesis *g = j->v->g;
	bool is = j->out->voters >= g->quorum && j->together > 0 && j->together < g->quorum;
	struct why_finding *f = is ? find(j, "partition", true) : NULL;
	if (f == NULL)
		return;
	put(f->text, "%u of %u replicas can vote, but none hears the %u that a block takes", j->out->voters,
	    g->n, g->quorum);
	for (unsigned i = 0; i < g->n; i++) {
		const struct why_node *n = j->replicas[i].votes ? j->replicas[i].node : NULL;
		unsigned told = 0;
		for (unsigned k = 0; n != NULL && k < g->n; k++) {
			if (!j->replicas[k].votes || !why_misses(n, k))
				continue;
			if (told++ == 0)
				put(f->text, "; %s does not hear ", name_of(j, i));
			put(f->text, "%s%s", told > 1 ? ", " : "", name_of(j, k));
		}
	}
	put(f->action,
	    "look at the network between them: it is cut; nothing is lost meanwhile, and nothing can become "
	    "final");
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

/* What the others say of their connection to this one; NULL: all have one, or nobody tells. */
static const struct why_peer *cut_off(const struct judging *j, unsigned replica, char who[512], unsigned *one)
{
	const struct why_peer *first = NULL;
	for (unsigned i = 0; i < j->v->g->n; i++) {
		const struct why_node *n = j->replicas[i].node;
		const struct why_peer *p = n != NULL && i != replica ? &n->peer[replica] : NULL;
		if (p == NULL || p->connected)
			continue;
		put(who, "%s%s", first == NULL ? "" : ", ", name_of(j, i));
		*one = first == NULL ? i : *one;
		first = first == NULL || first->trouble[0] == '\0' ? p : first;
	}
	return first;
}

/* Somebody is there, but is no peer: net/link tells why (/v1/status, peers[].trouble), and this what to do.
 */
static const struct {
	const char *trouble, *action;
} strangers[] = {
    {"other_chain",
     "give every node the same genesis.json, byte for byte (`quorate genesis check`); a home that "
     "has run on another one needs a new ledger"},
    {"other_protocol", "bring the older program up to the version of the other"},
    {"other_replica", "look at [peers] and [node] listen of both: that address leads to another replica"},
    {"no_replica", "look at [peers] and [node] listen of both: that address leads to another program"},
    {"certificate",
     "have that replica's operator make its certificate anew, with the key that is in the genesis"},
};
enum { STRANGERS = sizeof strangers / sizeof *strangers };

static size_t stranger(const struct why_peer *p)
{
	size_t i = 0;
	while (i < STRANGERS && strcmp(strangers[i].trouble, p->trouble) != 0)
		i++;
	return i;
}

static void put_stranger(struct judging *j, size_t kind, unsigned replica, const struct why_peer *p,
                         const char *who)
{
	struct why_finding *f = find(j, strangers[kind].trouble, false);
	if (f == NULL)
		return;
	put(f->text, "who is at %.150s, the address of %s, is no peer to %.100s: %s",
	    j->v->g->g.replicas.replicas_val[replica].address, name_of(j, replica), who, p->because);
	put(f->action, "%s", strangers[kind].action);
}

static void put_cut_off(struct judging *j, unsigned replica, const struct why_peer *p, const char *who,
                        unsigned one)
{
	struct why_finding *f = find(j, "not_connected", false);
	if (f == NULL)
		return;
	put(f->text, "%s runs, but %.200s cannot connect to it at %.150s", name_of(j, replica), who,
	    j->v->g->g.replicas.replicas_val[replica].address);
	if (p->because[0] != '\0')
		put(f->text, ": %s", p->because);
	put(f->action,
	    "compare that address with [node] listen in the node.conf of %s and with [peers] in that of %s; "
	    "look at firewalls between them",
	    name_of(j, replica), name_of(j, one));
}

/* One that answers us, but not its peers; or who is there, but not as a replica of this chain. Who is just
 * not there is the quorum's business. */
static void connections(struct judging *j)
{
	for (unsigned k = 0; k < j->v->g->n; k++) {
		char who[512] = "";
		unsigned one = 0;
		const struct why_peer *p = cut_off(j, k, who, &one);
		size_t kind = p != NULL ? stranger(p) : STRANGERS;
		if (kind < STRANGERS)
			put_stranger(j, kind, k, p, who);
		else if (p != NULL && j->replicas[k].node != NULL)
			put_cut_off(j, k, p, who, one);
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
		int64_t off = j->replicas[i].clock_ms;
		struct why_finding *f = off <= most && off >= -most ? NULL : find(j, "clock", false);
		if (f == NULL)
			continue;
		put(f->text, "the clock of %s is ", name_of(j, i));
		put_time(f->text, (uint64_t)(off < 0 ? -off : off));
		put(f->text, "%s; the chain bears ", off < 0 ? " behind" : " ahead");
		put_time(f->text, (uint64_t)most);
		put(f->text, off < 0 ? ": every proposal is of the future to it, and it votes for none"
		                     : ": the others take what it proposes for something of the future");
		put(f->action, "set its clock, and keep it set by NTP (timedatectl)");
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
    other_chains, quorum, partition, muted, watermark, connections,  views,
    lagging,      clocks, disks,     twins, homes,     silent_nodes,
};

/* ---- the answer ---------------------------------------------------------------------------------- */

static bool waits(const struct judging *j)
{
	for (size_t i = 0; i < j->v->cnt; i++) {
		if (why_same_chain(j, &j->v->nodes[i]) && j->v->nodes[i].waiting > 0)
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
	why_look(&j);
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
