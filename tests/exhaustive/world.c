/*
 * world.c: every story of a small world: three real engines and one traitor, every order in which messages
 * arrive, any of them lost for ever, every time-out, crashes.  A state is three numbers: the states of the
 * honest replicas (node.h).  What was ever said can be heard at any later time; what the traitor can say
 * follows from what was said, so neither has a place in the state.  States are compared exactly, never by
 * hash alone. See README.md for the reductions and why they are sound.
 *
 *   exhaustive_world [--world NAME] [--depth N] [--states N] [--seconds N] [--until-failure] [--trace]
 * [--list]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "crypto.h"
#include "node.h"
#include "views.h"

#define HONEST 3

/* ---- worlds ------------------------------------------------------------------- */

/*
 * Heights of blocks; views entered, from 0; views asked for, up to; checkpoints every so many heights; blocks
 * that the traitor may make on one parent; crashes; each vote by itself; proposers by stake; proofs of work.
 * `states`: where a run of ./check stops; 0: nowhere.
 */
static const struct world {
	const char *name;
	struct rules rules;
	uint32_t states;
} worlds[] = {
    /* clang-format off */
    /* name        traitor heights views asks checkpoint contents crashes one_by_one by_stake sealed  states */
    {"first-2x1",  {0, 2, 1, 1, 4, 2, false, false}, 0}, /* the traitor proposes in view 0 */
    {"first-3x1",  {0, 3, 1, 1, 4, 1, false, false}, 0},
    {"first-1x2",  {0, 1, 2, 2, 4, 2, false, false}, 0}, /* and an honest replica in view 1 */
    {"second-1x2", {1, 1, 2, 2, 4, 2, false, false}, 0}, /* the other way round */
    {"third-1x2",  {3, 1, 2, 2, 4, 2, false, false}, 0}, /* the traitor leads neither */
    {"stake-2x1",  {3, 2, 1, 1, 4, 2, false, false, true}, 0},  /* the traitor proposes one height, */
    {"turns-2x1",  {1, 2, 1, 1, 4, 1, false, false, true}, 0},  /* or the other, or none */
    {"stake-1x2",  {3, 1, 2, 2, 4, 2, false, false, true}, 0},
    {"sealed-2x1", {0, 2, 1, 1, 4, 2, false, false, false, true}, 0},
    {"sealed-1x2", {3, 1, 2, 2, 4, 2, false, false, true, true}, 0},
    {"crash-2x1",  {0, 2, 1, 1, 4, 2, true,  false}, 0},
    {"crash-1x2",  {1, 1, 2, 2, 4, 2, true,  false}, 0},
    {"second-2x2", {1, 2, 2, 1, 4, 1, false, false}, 1000000},
    {"point-2x2",  {1, 2, 2, 1, 1, 1, false, false}, 1000000}, /* a checkpoint at each height */
    {"votes-1x1",  {0, 1, 1, 1, 4, 2, true,  true},  300000},
    {"votes-1x2",  {1, 1, 2, 1, 4, 2, true,  true},  300000},
    {"crash-2x2",  {1, 2, 2, 1, 1, 1, true,  false}, 1}, /* too big for ./check */
    /* clang-format on */
};

/* ---- the search ------------------------------------------------------------------ */

struct state {
	uint32_t nodes[HONEST];
	uint32_t from; /* state before */
	uint32_t input;
	uint16_t who, depth;
};

static const struct world *world;
static unsigned honest[HONEST]; /* replicas */
static unsigned role[HONEST]; /* replicas that none can tell apart play one role: that of the first of them */
static struct state *states;
static uint32_t state_cnt, state_cap, at; /* at: whose successors are sought */
static uint32_t *table, table_mask;       /* state + 1 */
static uint64_t transitions, lemma_checks;
static unsigned who_now;
static uint32_t input_now = UINT32_MAX;
static bool tracing;

static struct {
	uint32_t depth, states;
	double seconds;
} bounds = {UINT32_MAX, UINT32_MAX, 1e9};

static double elapsed(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void show_step(unsigned number, unsigned who, unsigned input)
{
	char text[300];
	input_text(input, text, sizeof text);
	printf("  %2u. %u %s\n", number, who, text);
}

static void show_path(uint32_t s)
{
	if (states[s].depth == 0)
		return;
	show_path(states[s].from);
	show_step(states[s].depth, honest[states[s].who], states[s].input);
}

static void how_it_came(void)
{
	printf(" (world %s, depth %u, %u states)\n", world->name, states ? states[at].depth : 0, state_cnt);
	if (tracing && states) {
		show_path(at);
		if (input_now != UINT32_MAX)
			show_step(states[at].depth + 1u, honest[who_now], input_now);
	}
	fflush(stdout);
}

void violation(const char *fmt, ...)
{
	va_list ap;
	printf("violation: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	how_it_came();
	_exit(1);
}

/* must(), in the engine or here: it has said what on stderr. */
static void aborted(int sig)
{
	(void)sig;
	printf("violation: an assertion does not hold");
	how_it_came();
	_exit(1);
}

static uint32_t hash_nodes(const uint32_t nodes[HONEST])
{
	uint64_t h = 0;
	for (unsigned k = 0; k < HONEST; k++)
		h = (h ^ nodes[k]) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 29;
	return (uint32_t)(h >> 7);
}

static void table_put(uint32_t s)
{
	uint32_t slot = hash_nodes(states[s].nodes) & table_mask;
	while (table[slot])
		slot = (slot + 1) & table_mask;
	table[slot] = s + 1;
}

static bool known_state(const uint32_t nodes[HONEST])
{
	for (uint32_t slot = hash_nodes(nodes) & table_mask; table[slot]; slot = (slot + 1) & table_mask)
		if (memcmp(states[table[slot] - 1].nodes, nodes, sizeof states->nodes) == 0)
			return true;
	return false;
}

static void grow(void)
{
	state_cap = state_cap ? 2 * state_cap : 1u << 16;
	states = xrealloc(states, state_cap * sizeof *states);
	free(table);
	table_mask = 2 * state_cap - 1;
	table = xcalloc(2 * (size_t)state_cap, sizeof *table);
	for (uint32_t s = 0; s < state_cnt; s++)
		table_put(s);
}

static void check_state(const uint32_t nodes[HONEST]);

/* Which of the replicas with one role is in which state makes no difference. */
static void sort_roles(uint32_t nodes[HONEST])
{
	for (unsigned a = 0; a < HONEST; a++)
		for (unsigned b = a + 1; b < HONEST; b++)
			if (role[a] == role[b] && nodes[a] > nodes[b]) {
				uint32_t x = nodes[a];
				nodes[a] = nodes[b];
				nodes[b] = x;
			}
}

static void arrive(unsigned who, uint32_t to, uint32_t input)
{
	struct state s = {.from = at, .input = input, .who = (uint16_t)who};
	memcpy(s.nodes, states[at].nodes, sizeof s.nodes);
	transitions++;
	if (s.nodes[who] == to)
		return;
	s.nodes[who] = to;
	sort_roles(s.nodes);
	if (known_state(s.nodes))
		return;
	s.depth = (uint16_t)(states[at].depth + 1);
	if (state_cnt == state_cap)
		grow();
	check_state(s.nodes);
	states[state_cnt] = s;
	table_put(state_cnt++);
}

static void take(unsigned who, struct input in)
{
	uint32_t from = states[at].nodes[who];
	who_now = who;
	input_now = input_number(&in);
	arrive(who, node_step(from, input_now), input_now);
	if (rules.crashes && node_step_executes(from, input_now)) {
		in.cut = true;
		input_now = input_number(&in);
		arrive(who, node_step(from, input_now), input_now);
	}
	input_now = UINT32_MAX;
}

/* ---- what is said in a state --------------------------------------------------------- */

static uint64_t two_of(const uint64_t x[HONEST])
{
	return (x[0] & x[1]) | (x[0] & x[2]) | (x[1] & x[2]);
}

static uint64_t votes_of(const struct summary *s, enum qkind kind)
{
	return kind == QPREPARE ? s->prepares : kind == QCOMMIT ? s->commits : s->points;
}

static uint64_t shown_by_two(const struct summary *const s[HONEST], enum qkind kind)
{
	uint64_t sets[HONEST];
	for (unsigned k = 0; k < HONEST; k++)
		sets[k] = votes_of(s[k], kind);
	return two_of(sets);
}

static void gather(const struct summary *const s[HONEST], struct shown *shown)
{
	*shown = (struct shown){.prepared = shown_by_two(s, QPREPARE),
	                        .committed = shown_by_two(s, QCOMMIT),
	                        .stable = shown_by_two(s, QCHECKPOINT)};
}

static void gather_changes(const struct summary *const s[HONEST], unsigned view, struct shown *shown)
{
	for (unsigned k = 0; k < HONEST; k++)
		shown->change[honest[k]] = s[k]->change[view];
}

/* ---- what must hold --------------------------------------------------------------------- */

/* All that is, or can be, certified lies on one chain. */
static void check_agreement(uint64_t committed, uint64_t stable)
{
	uint64_t all = committed | stable;
	for (unsigned a = 0; a < statement_cnt(); a++)
		for (unsigned b = a + 1; all >> a & 1 && b < statement_cnt(); b++)
			if (all >> b & 1 && !on_one_chain(statement_block(a), statement_block(b)))
				violation("fork: %s in view %u and %s in view %u can both be certified",
				          named_blocks[statement_block(a)].name, statement_view(a),
				          named_blocks[statement_block(b)].name, statement_view(b));
}

static bool covers(const struct outcome *o, unsigned block)
{
	unsigned height = named_blocks[block].height;
	if (height <= named_blocks[o->s].height)
		return on_one_chain(block, o->s);
	return height <= named_blocks[o->end].height && on_one_chain(block, o->end);
}

/* Lemma L: whatever a new view begins with holds every block that a lower view has certified. */
static void check_lemma(unsigned view, const struct shown *shown)
{
	unsigned cnt;
	const struct outcome *o = outcomes_of(view, shown, &cnt);
	for (unsigned k = 0; k < cnt; k++)
		for (unsigned s = 0; s < statement_cnt(); s++) {
			if (!(shown->committed >> s & 1) || statement_view(s) >= view)
				continue;
			lemma_checks++;
			if (!covers(&o[k], statement_block(s)))
				violation(
				    "a NEW-VIEW(%u) with S %s and O up to %s loses %s, certified in view %u",
				    view, named_blocks[o[k].s].name, named_blocks[o[k].end].name,
				    named_blocks[statement_block(s)].name, statement_view(s));
		}
}

static void check_state(const uint32_t nodes[HONEST])
{
	static struct numbering checked;
	const struct summary *s[HONEST];
	struct shown shown;
	struct {
		uint64_t words[3];
		unsigned change[VIEWS_MAX + 1][HONEST], unused;
	} key = {.unused = 0};
	bool fresh;
	for (unsigned k = 0; k < HONEST; k++)
		s[k] = node_summary(nodes[k]);
	gather(s, &shown);
	if (!shown.committed && !shown.stable)
		return;
	key.words[0] = shown.prepared;
	key.words[1] = shown.committed;
	key.words[2] = shown.stable;
	for (unsigned w = 1; w <= rules.asks; w++)
		for (unsigned k = 0; k < HONEST; k++)
			key.change[w][k] = s[k]->change[w];
	number_of(&checked, &key, sizeof key, &fresh);
	if (!fresh)
		return;
	check_agreement(shown.committed, shown.stable);
	for (unsigned w = 1; w <= rules.asks; w++) {
		gather_changes(s, w, &shown);
		check_lemma(w, &shown);
	}
}

/* ---- what can happen to replica k --------------------------------------------------------- */

struct scene {
	const struct summary *s[HONEST];
	struct shown shown;
	uint64_t known; /* blocks that somebody honest knows */
};

static void take_message(unsigned k, unsigned number, unsigned sender)
{
	take(k, (struct input){.kind = I_MESSAGE, .message = number, .sender = sender});
}

/* A proposal is of use only in its view; one that comes before waits, and so may as well come later. */
static bool proposal_is_due(const struct summary *me, uint64_t view)
{
	return me->active && me->entered == view;
}

static void honest_proposals(const struct scene *c, unsigned k)
{
	for (unsigned j = 0; j < HONEST; j++)
		for (unsigned p = 0; j != k && p < c->s[j]->proposal_cnt; p++) {
			const struct message *m = message_numbered(c->s[j]->proposals[p]);
			if (rules.one_by_one || proposal_is_due(c->s[k], m->m.qmessage_u.proposal.view.n))
				take_message(k, c->s[j]->proposals[p], honest[j]);
		}
}

static unsigned traitors_proposal(unsigned view, unsigned parent, unsigned content)
{
	static unsigned made[VIEWS_MAX][BLOCKS_MAX][2]; /* number + 1 */
	unsigned *number = &made[view][parent][content];
	if (!*number) {
		unsigned block = block_make(parent, rules.traitor, content);
		*number = message_number(proposal_of(rules.traitor, view, block)) + 1;
	}
	return *number - 1;
}

/* Contents are alike: the second of two is used once the first was. */
static bool content_is_due(const struct scene *c, unsigned parent, unsigned content)
{
	for (unsigned b = 1; content > 0 && b < named_block_cnt; b++)
		if (c->known >> b & 1 && named_blocks[b].parent == parent &&
		    named_blocks[b].proposer == rules.traitor && named_blocks[b].content + 1 == content)
			return true;
	return content == 0;
}

static void traitors_proposals(const struct scene *c, unsigned k)
{
	const struct summary *me = c->s[k];
	for (unsigned v = 0; v < rules.views; v++) {
		if (!rules.one_by_one && !proposal_is_due(me, v))
			continue;
		for (unsigned b = 0; b < BLOCKS_MAX && b < named_block_cnt; b++)
			for (unsigned x = 0; x < rules.contents; x++)
				if (c->known >> b & 1 && named_blocks[b].height < rules.heights &&
				    proposer_at(named_blocks[b].height + 1, v) == rules.traitor &&
				    named_blocks[b].height >= named_blocks[me->tip].height &&
				    content_is_due(c, b, x))
					take_message(k, traitors_proposal(v, b, x), rules.traitor);
	}
}

static void take_votes(unsigned k, enum qkind vote, unsigned statement, unsigned signers)
{
	take(k, (struct input){.kind = I_VOTES, .vote = vote, .statement = statement, .signers = signers});
}

static void take_chain(unsigned k, enum qkind vote, unsigned statement)
{
	take(k, (struct input){.kind = I_CHAIN, .vote = vote, .statement = statement});
}

/*
 * The traitor and as few others as make a quorum with this replica's own vote, if it gave one; 0: too few.
 * Who the others are makes no difference to it, so their places are taken in order.
 */
static unsigned voters_for(const struct scene *c, unsigned k, enum qkind kind, unsigned statement)
{
	unsigned own = votes_of(c->s[k], kind) >> statement & 1, others = 0, signers = 1u << rules.traitor;
	for (unsigned j = 0; j < HONEST; j++)
		others += j != k && votes_of(c->s[j], kind) >> statement & 1;
	if (own + others < 2)
		return 0;
	unsigned wanted = 2 - own;
	for (unsigned i = 0; i < REPLICAS && wanted > 0; i++)
		if (i != role[k] && i != rules.traitor) {
			signers |= 1u << i;
			wanted--;
		}
	return signers;
}

static void quorums(const struct scene *c, unsigned k)
{
	const struct summary *me = c->s[k];
	for (unsigned s = 0; s < statement_cnt(); s++) {
		unsigned height = named_blocks[statement_block(s)].height, signers;
		if (me->open >> s & 1 && (signers = voters_for(c, k, QPREPARE, s)))
			take_votes(k, QPREPARE, s, signers);
		if (c->shown.committed >> s & 1 && height > named_blocks[me->tip].height)
			take_votes(k, QCOMMIT, s, voters_for(c, k, QCOMMIT, s));
		if (c->shown.stable >> s & 1 && height > me->stable)
			take_votes(k, QCHECKPOINT, s, voters_for(c, k, QCHECKPOINT, s));
	}
}

static void single_votes(const struct scene *c, unsigned k)
{
	static const enum qkind kinds[] = {QPREPARE, QCOMMIT, QCHECKPOINT};
	uint64_t any = 0;
	for (unsigned j = 0; j < HONEST; j++)
		any |= c->s[j]->prepares | c->s[j]->points;
	for (unsigned x = 0; x < 3; x++)
		for (unsigned s = 0; s < statement_cnt(); s++) {
			if (named_blocks[statement_block(s)].height <= named_blocks[c->s[k]->tip].height)
				continue;
			for (unsigned j = 0; j < HONEST; j++)
				if (j != k && votes_of(c->s[j], kinds[x]) >> s & 1)
					take_votes(k, kinds[x], s, 1u << honest[j]);
			if (any >> s & 1)
				take_votes(k, kinds[x], s, 1u << rules.traitor);
		}
}

/* Catch-up: anybody may show a certificate with its headers. */
static void chains(const struct scene *c, unsigned k)
{
	const struct summary *me = c->s[k];
	for (unsigned s = 0; s < statement_cnt(); s++) {
		unsigned b = statement_block(s), height = named_blocks[b].height,
		         tip = named_blocks[me->tip].height;
		bool lacks = !(me->known >> b & 1) || !me->linked;
		if (height < tip || (height == tip && me->linked) || !lacks)
			continue;
		if (c->shown.committed >> s & 1)
			take_chain(k, QCOMMIT, s);
		if (c->shown.stable >> s & 1)
			take_chain(k, QCHECKPOINT, s);
	}
}

/* One change of each of two others, or of one and the traitor: with its own they make the primary's V. */
static void take_changes(struct scene *c, unsigned k, unsigned w)
{
	unsigned honest_changes[HONEST], cnt = 0, lie_cnt;
	const unsigned *lies = traitors_changes(w, &c->shown, &lie_cnt);
	for (unsigned j = 0; j < HONEST; j++)
		if (j != k && c->s[j]->change[w])
			honest_changes[cnt++] = c->s[j]->change[w] - 1;
	if (cnt == 2)
		take(k, (struct input){.kind = I_CHANGES, .changes = {honest_changes[0], honest_changes[1]}});
	for (unsigned j = 0; j < cnt; j++)
		for (unsigned x = 0; x < lie_cnt; x++)
			take(k, (struct input){.kind = I_CHANGES, .changes = {honest_changes[j], lies[x]}});
}

/* VIEW-CHANGEs matter to the primary of their view; to the others they are a reason to join, as a time-out
 * is. */
static void view_changes(struct scene *c, unsigned k)
{
	const struct summary *me = c->s[k];
	for (unsigned w = me->entered + 1; w < rules.views; w++) {
		unsigned cnt;
		gather_changes(c->s, w, &c->shown);
		if (!rules.one_by_one) {
			if (w % REPLICAS == honest[k] && me->asked == w)
				take_changes(c, k, w);
			continue;
		}
		for (unsigned j = 0; j < HONEST; j++)
			if (j != k && c->s[j]->change[w])
				take_message(k, c->s[j]->change[w] - 1, honest[j]);
		const unsigned *lies = traitors_changes(w, &c->shown, &cnt);
		for (unsigned x = 0; x < cnt; x++)
			take_message(k, lies[x], rules.traitor);
	}
}

static void new_views(struct scene *c, unsigned k)
{
	const struct summary *me = c->s[k];
	for (unsigned w = me->entered + 1; w < rules.views; w++) {
		unsigned cnt;
		for (unsigned j = 0; j < HONEST; j++)
			if (j != k && c->s[j]->new_view[w])
				take_message(k, c->s[j]->new_view[w] - 1, honest[j]);
		if (w % REPLICAS != rules.traitor)
			continue;
		gather_changes(c->s, w, &c->shown);
		const struct outcome *o = outcomes_of(w, &c->shown, &cnt);
		for (unsigned x = 0; x < cnt; x++)
			take_message(k, o[x].message, rules.traitor);
	}
}

static void expand(void)
{
	struct scene c = {.known = 0};
	for (unsigned k = 0; k < HONEST; k++) {
		c.s[k] = node_summary(states[at].nodes[k]);
		c.known |= c.s[k]->known;
	}
	for (unsigned k = 0; k < HONEST; k++) {
		for (unsigned j = 0; j < HONEST; j++) /* steps may have moved the list of states */
			c.s[j] = node_summary(states[at].nodes[j]);
		struct summary copies[HONEST];
		for (unsigned j = 0; j < HONEST; j++) {
			copies[j] = *c.s[j];
			c.s[j] = &copies[j];
		}
		gather(c.s, &c.shown);
		if (c.s[k]->may_propose)
			take(k, (struct input){.kind = I_PROPOSE});
		honest_proposals(&c, k);
		traitors_proposals(&c, k);
		rules.one_by_one ? single_votes(&c, k) : quorums(&c, k);
		chains(&c, k);
		view_changes(&c, k);
		new_views(&c, k);
		if (c.s[k]->asked < rules.asks)
			take(k, (struct input){.kind = I_TIME_OUT});
		if (rules.crashes)
			take(k, (struct input){.kind = I_CRASH});
	}
}

static bool leads(unsigned replica)
{
	for (unsigned v = 0; v < rules.views; v++) {
		if (v % REPLICAS == replica && (v > 0 || !rules.by_stake))
			return true;
		for (unsigned h = 1; h <= rules.heights; h++)
			if (proposer_at(h, v) == replica)
				return true;
	}
	return false;
}

/* Replicas that lead no view here and propose nothing have one role, unless their votes have names. */
static void cast(void)
{
	unsigned k = 0, follower = REPLICAS;
	for (unsigned i = 0; i < REPLICAS; i++) {
		if (i == rules.traitor)
			continue;
		bool own_role = leads(i) || rules.one_by_one;
		if (!own_role && follower == REPLICAS)
			follower = i;
		honest[k] = i;
		role[k++] = own_role ? i : follower;
	}
}

/* Breadth first: the first violation found is one of the shortest. */
static int search(void)
{
	struct err err = {0};
	rules = world->rules;
	if (!crypto_init(&err)) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	names_begin();
	signal(SIGABRT, aborted);
	grow();
	cast();
	for (unsigned k = 0; k < HONEST; k++)
		states[0].nodes[k] = node_begin(role[k]);
	states[0].depth = 0;
	table_put(state_cnt++);
	const char *end = "exhausted";
	for (; at < state_cnt; at++) {
		if (states[at].depth >= bounds.depth || state_cnt >= bounds.states ||
		    elapsed() > bounds.seconds) {
			end = "NOT exhausted";
			break;
		}
		expand();
	}
	printf("%-12s %s: %u states, depth %u, %llu transitions, %llu lemma checks, %u states of replicas, "
	       "%llu steps "
	       "of engines, %zu MB of heaps, %.1f s, %.0f states/s\n",
	       world->name, end, state_cnt, states[state_cnt - 1].depth, (unsigned long long)transitions,
	       (unsigned long long)lemma_checks, node_states(), (unsigned long long)node_steps(),
	       arena_kept() >> 20, elapsed(), state_cnt / (elapsed() + 0.001));
	return 0;
}

/* ---- */

static int usage(const char *name)
{
	fprintf(stderr,
	        "usage: %s [--world NAME] [--depth N] [--states N] [--seconds N] [--until-failure] [--trace] "
	        "[--list]\n",
	        name);
	return 2;
}

/* A world has the process to itself. */
static int run(const struct world *w, bool bounded)
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return 2;
	if (child > 0)
		return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	world = w;
	if (bounded && w->states && bounds.states == UINT32_MAX)
		bounds.states = w->states;
	int code = search();
	fflush(stdout);
	_exit(code); /* what is kept is kept to the end */
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	bool bounded = true;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--until-failure") == 0)
			bounded = false;
		else if (strcmp(argv[i], "--trace") == 0)
			tracing = true;
		else if (strcmp(argv[i], "--list") == 0) {
			for (size_t k = 0; k < sizeof worlds / sizeof *worlds; k++)
				puts(worlds[k].name);
			return 0;
		} else if (more && strcmp(argv[i], "--world") == 0)
			only = argv[++i];
		else if (more && strcmp(argv[i], "--depth") == 0)
			bounds.depth = (uint32_t)strtoul(argv[++i], NULL, 10);
		else if (more && strcmp(argv[i], "--states") == 0)
			bounds.states = (uint32_t)strtoul(argv[++i], NULL, 10);
		else if (more && strcmp(argv[i], "--seconds") == 0)
			bounds.seconds = strtod(argv[++i], NULL);
		else
			return usage(argv[0]);
	}
	bool any = false;
	for (size_t k = 0; k < sizeof worlds / sizeof *worlds; k++) {
		if (only ? strcmp(only, worlds[k].name) != 0 : bounded && worlds[k].states == 1)
			continue;
		any = true;
		int code = run(&worlds[k], bounded);
		if (code)
			return code;
	}
	return any ? 0 : usage(argv[0]);
}
