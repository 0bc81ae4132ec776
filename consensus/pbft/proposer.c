/*
 * proposer.c: who proposes, and this replica's own proposals: from a batch, through the search for a seal
 * where the chain asks for one, to a PRE-PREPARE.
 *
 *   SE1  a proposal is mined before it is signed; the search ends at once when the view, the parent or the
 * turn is no longer what it was begun for
 *
 * Before: the driver chose a batch (IN_PROPOSE) and mined it (IN_SEALED). After: on_pre_prepare.c.
 */
#include "merkle.h"
#include "pbft.h"

unsigned proposer_of(const struct engine *e, struct qheight h, struct qview v)
{
	const struct qstake_rules *r = stake_rules(e->g);
	if (!r)
		return primary_of(e, v);
	for (size_t i = 0; i < e->schedule_cnt; i++)
		if (e->schedules[i].settled.n == schedule_settled(r, h).n)
			return schedule_proposer(e->g, &e->schedules[i], h, v);
	return e->n;
}

void proposer_settled(struct engine *e, const struct qstaking *staking)
{
	struct schedule made[Q_TABLES_MAX] = {0};
	size_t cnt = staking ? staking->settled.settled_len : 0;
	for (size_t i = 0; i < cnt; i++) {
		const struct qtable *t = &staking->settled.settled_val[i];
		size_t k = 0;
		while (k < e->schedule_cnt && e->schedules[k].settled.n != t->height.n)
			k++;
		if (k < e->schedule_cnt)
			made[i] = e->schedules[k];
		else
			schedule_make(e->g, t, &made[i]);
	}
	memcpy(e->schedules, made, cnt * sizeof *made);
	e->schedule_cnt = cnt;
}

/* ---- what a proposal stands on ------------------------------------------------ */

bool seal_parent_of(struct engine *e, uint64_t h, struct seal_parent *p)
{
	*p = e->executed_seal;
	for (uint64_t k = e->executed.n + 1; k < h; k++) {
		size_t at = (size_t)(k - e->executed.n - 1);
		const struct pblock *b = at < e->chain_cnt ? e->chain[at].block : NULL;
		if (!b && k > e->tip.n) {
			const struct slot *s = slot_at(e, qheight_of(k));
			b = s ? s->cur : NULL;
		}
		if (!b)
			return false;
		seal_extend(p, &b->header);
	}
	return true;
}

static bool next_height(const struct engine *e, uint64_t *height, const struct pblock **parent)
{
	uint64_t h = e->tip.n + 1;
	*parent = NULL;
	for (; h <= e->tip.n + e->params->window; h++) {
		const struct slot *s = &e->slots[h % e->params->window];
		if (s->height.n != h || !s->cur)
			break;
		if (!s->cur->here || s->cur->invalid)
			return false;
		*parent = s->cur;
	}
	*height = h;
	return h <= e->tip.n + e->params->window &&
	       h <= e->stable.n + 2 * (uint64_t)e->params->checkpoint_interval;
}

static bool may_propose(const struct engine *e, struct qheight *height, const struct pblock **below)
{
	return may_speak(e) && e->active && e->executed.n == e->tip.n && next_height(e, &height->n, below) &&
	       proposer_of(e, *height, e->entered) == e->self;
}

bool pbft_can_propose(const struct engine *e, struct qheight *height, struct qhash *parent)
{
	const struct pblock *below;
	if (e->sealing.leaves || !may_propose(e, height, &below))
		return false;
	*parent = below ? below->hash : e->tip_hash;
	return true;
}

/* ---- proposing ------------------------------------------------------------------ */

/* By the rules of everybody; sent by advance.c once it is on disk. */
static void propose_now(struct engine *e, const struct qheader *header, const struct qhash *leaves)
{
	struct qmessage m = {.kind = QPRE_PREPARE};
	struct qproposal *p = &m.qmessage_u.proposal;
	p->view = e->entered;
	p->header = *header;
	p->leaves.leaves_len = header->tx_count;
	p->leaves.leaves_val = xmemdup(leaves, header->tx_count * sizeof *leaves);

	struct qvote vote = {.view = e->entered, .height = header->height};
	block_hash(header, &vote.block);
	struct message *prepare = vote_message(e, QPREPARE, &vote);
	p->prepare = prepare->env.sig;
	message_unref(prepare);

	struct message *proposal = make_message(e, &m);
	free(p->leaves.leaves_val);
	on_pre_prepare(e, proposal);
	message_unref(proposal);
}

void pbft_propose(struct engine *e, const struct qhash *leaves, size_t cnt)
{
	struct seal_parent below;
	struct qheight h;
	struct qhash parent;
	if (!pbft_can_propose(e, &h, &parent) || !seal_parent_of(e, h.n, &below))
		return;
	struct qheader header = {.format = 1,
	                         .height = h,
	                         .parent = parent,
	                         .tx_count = (u_int)cnt,
	                         .proposer = e->self,
	                         .time_ms = e->wall_ms > below.time_ms ? e->wall_ms : below.time_ms + 1};
	merkle_root(leaves, cnt, &header.merkle_root);
	seal_prepare(e->g, &below, &header.seal);
	if (header.seal.kind == QSEAL_NONE) {
		propose_now(e, &header, leaves);
		return;
	}
	e->sealing.view = e->entered;
	e->sealing.header = header;
	e->sealing.leaves = xmemdup(leaves, cnt * sizeof *leaves);
	emit(e, OUT_SEAL)->seal = header;
}

/* ---- SE1 -------------------------------------------------------------------------- */

void sealing_forget(struct engine *e)
{
	free(e->sealing.leaves);
	e->sealing.leaves = NULL;
}

/* Is what is being mined still what this replica would propose? */
static bool sealing_wanted(struct engine *e)
{
	const struct qheader *h = &e->sealing.header;
	if (!may_speak(e) || !e->active || e->entered.n != e->sealing.view.n)
		return false;
	const struct qhash *parent = slot_parent(e, h->height); /* none at or below the tip */
	return parent && qhash_eq(parent, &h->parent);
}

void sealing_check(struct engine *e)
{
	if (!e->sealing.leaves || (!e->halted && sealing_wanted(e)))
		return;
	sealing_forget(e);
	emit(e, OUT_SEAL_STOP);
}

void pbft_sealed(struct engine *e, const struct qheader *header)
{
	struct qheader asked = e->sealing.header;
	struct qhash hash, mine;
	if (!e->sealing.leaves || header->seal.kind != asked.seal.kind || !sealing_wanted(e))
		return;
	asked.seal.qseal_u.pow.nonce = header->seal.qseal_u.pow.nonce;
	block_hash(&asked, &mine);
	block_hash(header, &hash);
	if (!qhash_eq(&hash, &mine) || !seal_holds(e->g, header, &hash))
		return; /* of a search that was ended meanwhile */
	struct qhash *leaves = e->sealing.leaves;
	e->sealing.leaves = NULL;
	propose_now(e, header, leaves);
	free(leaves);
}
