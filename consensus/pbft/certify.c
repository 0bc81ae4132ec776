/*
 * certify.c: what a certificate makes final, execution in order of height, catch-up.
 *
 *   CE1  a certificate of a block makes all its ancestors final too (CO1 makes this sound) [F2]
 *   CE2  two certificates that do not lie on one chain: more than f replicas lie: keep both, and stop
 *   CE3  blocks execute strictly in order of height, in runs that end with a certificate
 *   CE4  catch-up takes certified headers only, linked down to what was executed; bodies are fetched by hash.
 *        The header may also come in a proposal that is later than the certificate: it counts once it links
 *   CE5  every certified block carries its seal: a chain without it is not followed, whoever certified it
 *
 * Before: on_vote.c, on_checkpoint.c, on_new_view.c. After: the driver executes (ledger/).
 */
#include "evidence.h"
#include "pbft.h"

static uint64_t chain_end(const struct engine *e)
{
	return e->executed.n + e->chain_cnt;
}

static const struct qhash *chain_end_hash(const struct engine *e)
{
	return e->chain_cnt ? &e->chain[e->chain_cnt - 1].block->hash : &e->executed_hash;
}

/* ---- CE2 ------------------------------------------------------------------ */

/* A certificate with the headers below its block that are known, down to `height`. Borrows both. */
static struct qchain known_chain(const struct engine *e, const struct qcert *cert, uint64_t height,
                                 struct qheader headers[Q_CHAIN_MAX])
{
	struct qchain c = {.cert = *cert};
	struct qhash hash = cert->vote.block;
	uint64_t at = cert->vote.height.n;
	u_int cnt = 0;
	for (; cnt < Q_CHAIN_MAX && at > 0 && at >= height; at--) {
		const struct pblock *b = pblock_find(e, &hash);
		if (!b || b->header.height.n != at)
			break;
		headers[Q_CHAIN_MAX - ++cnt] = b->header;
		hash = b->header.parent;
	}
	c.headers.headers_len = cnt;
	c.headers.headers_val = headers + Q_CHAIN_MAX - cnt;
	return c;
}

/* The lowest certificate here that shows which block is at this height, at or above the executed one. */
static const struct qcert *cert_above(const struct engine *e, uint64_t height)
{
	if (height == e->executed.n)
		return &e->executed_cert;
	for (size_t i = (size_t)(height - e->executed.n - 1); i < e->chain_cnt; i++)
		if (e->chain[i].has_cert)
			return &e->chain[i].cert;
	return &e->tip_cert;
}

/* `height`: where the other certificate's chain is known to have another block than this replica's. */
static void fork_found(struct engine *e, const struct qcert *other, uint64_t height, const char *reason)
{
	struct qheader mine[Q_CHAIN_MAX], theirs[Q_CHAIN_MAX];
	/* On the genesis there is no certificate; a chain on another one needs none beside it. */
	const struct qcert *cert = height > 0 ? cert_above(e, height) : other;
	struct qjournal j = {.kind = QJ_EVIDENCE};
	struct qfork *f = &j.qjournal_u.evidence.qevidence_u.fork;
	j.qjournal_u.evidence.kind = QEV_FORK;
	f->first = known_chain(e, cert, height, mine);
	f->second = known_chain(e, other, height, theirs);
	if (cert_chains_fork(e->g, &f->first, &f->second))
		emit_journal(e, OUT_EVIDENCE, &j);
	halt(e, reason);
}

/* ---- certified ------------------------------------------------------------ */

/* CE5: f+1 honest replicas checked the seals of a certified block and of its ancestors. */
static bool seals_hold(struct engine *e, uint64_t base, struct pblock *const *path, size_t cnt)
{
	struct seal_parent below;
	must(seal_parent_of(e, base + 1, &below)); /* all in chain[] */
	for (size_t i = 0; i < cnt; i++) {
		if (!seal_holds(e->g, &path[i]->header, &path[i]->hash) ||
		    !seal_follows(e->g, &below, &path[i]->header))
			return false;
		seal_extend(&below, &path[i]->header);
	}
	return true;
}

/* CO3: a COMMIT of this replica for another block than the certified one. */
static void watch_commits(struct engine *e, const struct pblock *b)
{
	for (size_t i = 0; i < e->own_cnt; i++)
		if (e->own[i].height.n == b->header.height.n)
			own_beside(e, &e->own[i], &b->hash);
}

/* CE1: appends the ancestors of a certified block to the chain, if all headers between are known. */
static void link_down(struct engine *e, const struct qcert *cert)
{
	struct pblock *path[2 * Q_CHAIN_MAX];
	uint64_t base = chain_end(e);
	size_t cnt = (size_t)(cert->vote.height.n - base);
	if (cert->vote.height.n - base > 2 * Q_CHAIN_MAX - e->chain_cnt)
		return; /* too far ahead: CHAINs will bring it nearer */
	struct qhash hash = cert->vote.block;
	for (size_t i = cnt; i-- > 0;) {
		path[i] = pblock_find(e, &hash);
		if (!path[i] || path[i]->header.height.n != base + 1 + i)
			return; /* a header is missing: catch-up asks for it */
		hash = path[i]->header.parent;
	}
	if (!qhash_eq(&hash, chain_end_hash(e))) { /* CE2 */
		fork_found(e, cert, base,
		           "a certificate does not lie on the certified chain of this replica: more than f "
		           "replicas lie");
		return;
	}
	if (!seals_hold(e, base, path, cnt)) { /* CE5 */
		halt(e,
		     "a certified block does not carry the proof of work that the chain asks for: more than "
		     "f replicas lie");
		return;
	}
	for (size_t i = 0; i < cnt; i++) {
		e->chain[e->chain_cnt++] = (struct certified){.block = path[i]};
		watch_commits(e, path[i]);
	}
	struct certified *last = &e->chain[e->chain_cnt - 1];
	last->has_cert = true;
	cert_copy(&last->cert, cert);
}

void pbft_link_tip(struct engine *e)
{
	if (chain_end(e) < e->tip.n)
		link_down(e, &e->tip_cert);
}

/* One a height, and no more than a window of them: so late proposals fill no memory. */
static bool another_here(const struct engine *e, struct qheight h, const struct qhash *hash)
{
	for (size_t i = 0; i < e->block_cnt; i++)
		if (e->blocks[i]->header.height.n == h.n && !qhash_eq(&e->blocks[i]->hash, hash))
			return true;
	return false;
}

void pbft_late_proposal(struct engine *e, const struct message *m) /* CE4 */
{
	const struct qproposal *p = &m->m.qmessage_u.proposal;
	struct qheight h = p->header.height;
	struct qhash hash;
	if (h.n <= chain_end(e) || h.n > e->tip.n || e->tip.n - chain_end(e) > e->params->window ||
	    !proposal_well_formed(e->g, m->sender, p))
		return;
	block_hash(&p->header, &hash);
	if (another_here(e, h, &hash))
		return;
	pblock_add(e, &p->header, p->leaves.leaves_val, m->sender);
	pbft_link_tip(e);
}

static void raise_tip(struct engine *e, const struct qcert *cert)
{
	uint64_t old = e->tip.n;
	e->tip = cert->vote.height;
	e->tip_hash = cert->vote.block;
	wire_free(WIRE(qcert), &e->tip_cert);
	cert_copy(&e->tip_cert, cert);
	/* What was prepared at or below the tip is reported no more: its certificate must outlive a crash
	 * [F5]. */
	emit_record(e, REC_TIP, qview_of(0), qheight_of(0), WIRE(qcert), cert);
	pbft_link_tip(e);
	for (uint64_t h = e->tip.n; h > old && e->tip.n - h < e->params->window; h--) {
		const struct slot *s = &e->slots[h % e->params->window];
		if (s->height.n == h && s->early)
			pbft_late_proposal(e, s->early);
	}
	for (unsigned i = 0; i < e->params->window; i++)
		if (e->slots[i].height.n != 0 && e->slots[i].height.n <= e->tip.n)
			slot_reset(e, &e->slots[i]);
}

void pbft_certify(struct engine *e, const struct qcert *cert)
{
	uint64_t h = cert->vote.height.n;
	if (e->halted || h < e->executed.n)
		return;
	if (cert->kind == QCOMMIT)
		timer_progress(e, cert->vote.view, cert->vote.height);
	if (h > e->tip.n) {
		raise_tip(e, cert);
		return;
	}
	const struct qhash *mine = h == e->tip.n ? &e->tip_hash
	                           : h > e->executed.n && h <= chain_end(e)
	                               ? &e->chain[h - e->executed.n - 1].block->hash
	                           : h == e->executed.n ? &e->executed_hash
	                                                : NULL;
	if (mine && !qhash_eq(mine, &cert->vote.block)) { /* CE2 */
		fork_found(e, cert, h,
		           "two certificates for different blocks at one height: more than f replicas lie");
		return;
	}
	if (h > chain_end(e)) {
		link_down(e, cert);
	} else if (h > e->executed.n && !e->chain[h - e->executed.n - 1].has_cert) {
		struct certified *c = &e->chain[h - e->executed.n - 1];
		c->has_cert = true;
		cert_copy(&c->cert, cert);
	}
}

static void emit_run(struct engine *e, size_t first, size_t last)
{
	struct engine_output *o = emit(e, OUT_EXECUTE);
	o->execute.cnt = last - first + 1;
	o->execute.hashes = xcalloc(o->execute.cnt, sizeof *o->execute.hashes);
	o->execute.headers = xcalloc(o->execute.cnt, sizeof *o->execute.headers);
	for (size_t i = first; i <= last; i++) {
		o->execute.hashes[i - first] = e->chain[i].block->hash;
		o->execute.headers[i - first] = e->chain[i].block->header;
	}
	cert_copy(&o->execute.cert, &e->chain[last].cert);
	e->executing = qheight_of(e->executed.n + last + 1);
}

/* CE3. Bodies are wanted a bounded stretch ahead, but always to the end of a run: it is executed whole. */
void pbft_execute(struct engine *e)
{
	size_t ahead = 2 * (size_t)e->params->window;
	for (size_t i = 0; i < e->chain_cnt; i++) {
		pblock_want(e, e->chain[i].block);
		if (i + 1 >= ahead && e->chain[i].has_cert)
			break;
	}
	size_t first = (size_t)(e->executing.n - e->executed.n);
	for (size_t i = first; i < e->chain_cnt && e->chain[i].block->here; i++) {
		if (!e->chain[i].has_cert)
			continue;
		emit_run(e, first, i);
		first = i + 1;
	}
}

void pbft_executed(struct engine *e, struct qheight height, const struct qhash *digests, size_t cnt,
                   const struct qstaking *staking)
{
	must(height.n == e->executed.n + cnt && cnt <= e->chain_cnt && height.n <= e->executing.n);
	for (size_t i = 0; i < cnt; i++) {
		const struct pblock *b = e->chain[i].block;
		e->executed = b->header.height;
		e->executed_hash = b->hash;
		seal_extend(&e->executed_seal, &b->header);
		if (e->executed.n % e->params->checkpoint_interval == 0)
			pbft_checkpoint(e, e->executed, &b->hash, &digests[i]);
		if (e->chain[i].has_cert) {
			wire_free(WIRE(qcert), &e->executed_cert);
			e->executed_cert = e->chain[i].cert; /* moved */
		}
	}
	proposer_settled(e, staking);
	e->chain_cnt -= cnt;
	memmove(e->chain, e->chain + cnt, e->chain_cnt * sizeof *e->chain);
	pblocks_forget(e, e->executed);
}

/* Behind a certificate, or behind what a peer reports? Then ask for certified headers, one peer after the
 * other. */
void pbft_catch_up(struct engine *e, unsigned hint)
{
	uint64_t base = chain_end(e);
	bool behind = base < e->tip.n;
	for (unsigned i = 0; i < e->n; i++)
		behind |= i != e->self && e->peers[i].tip.n > e->tip.n;
	if (!behind || e->now_ms < e->chain_ms || 2 * Q_CHAIN_MAX - e->chain_cnt < Q_CHAIN_MAX)
		return;
	uint64_t retry_ms = PBFT_CHAIN_RETRY_MS;
	unsigned from = e->n;
	for (unsigned k = 0; k < e->n && from == e->n; k++) {
		unsigned i = (hint + k) % e->n;
		if (i != e->self && e->peers[i].executed.n > base)
			from = i;
	}
	if (from == e->n && base < e->tip.n && e->n > 1) { /* whoever is a moment ahead: nobody has said */
		from = hint % e->n == e->self ? (hint + 1) % e->n : hint % e->n;
		retry_ms = PBFT_CHAIN_SOON_MS;
	}
	if (from == e->n)
		return;
	e->chain_peer = from;
	e->chain_ms = e->now_ms + retry_ms;
	emit_want_chain(e, from);
}

void on_chain(struct engine *e, struct message *m) /* CE4 */
{
	const struct qchain *c = &m->m.qmessage_u.chain;
	uint64_t base = chain_end(e), top = c->cert.vote.height.n;
	cert_watch(e, &c->cert);
	if (c->headers.headers_len && top > base && c->headers.headers_val[0].height.n <= base + 1 &&
	    top - base <= 2 * Q_CHAIN_MAX - e->chain_cnt) {
		for (u_int i = 0; i < c->headers.headers_len; i++)
			if (c->headers.headers_val[i].height.n > base)
				pblock_add(e, &c->headers.headers_val[i], NULL, m->sender);
	}
	if (c->cert.kind == QCHECKPOINT)
		pbft_stable(e, &c->cert);
	pbft_certify(e, &c->cert);
	if (chain_end(e) > base) {
		e->chain_ms = e->now_ms; /* it helped: go on at once */
		pbft_catch_up(e, m->sender);
	}
}
