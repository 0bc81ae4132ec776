/*
 * crimes_quorum.c: 2f+1 keys in one hand: a quorum certifies what breaks the rules.  Every certificate holds,
 * every row agrees, and still the ledger shows it.
 */
#include "crime.h"

#include "offence.h"
#include "seal.h"
#include "stakestory.h"

#define QUORUM "2f+1 keys"

/* ---- a block on top ------------------------------------------------------------------------------- */

static void certify(struct scene *s, const struct block *b, unsigned view)
{
	struct qvote vote = {.view = {view}, .height = b->header.height, .block = b->hash};
	struct qcert cert = rules_cert(&s->w->honest.rules, QCOMMIT, &vote, 7);

	forge_append(&s->suspect, b, b->header.height.n);
	forge_cert(&s->suspect, &cert);
	wire_free(WIRE(qcert), &cert);
}

/* On PLAIN: block 11, by view 1's leader. */
static void add(struct scene *s, struct tx *tx)
{
	struct block *b = world_block(s->w, &s->w->chain, 11, 1, &tx, 1);

	certify(s, b, 1);
	block_unref(b);
}

static void double_spend(struct scene *s)
{
	struct qoutput out = to(6, 400);
	/* transactions(seq=3) spent this at height 2. */
	add(s, spend(&s->w->honest.rules, 1, output_of(s->w->chain.blocks[1]->txs[0], 1), &out, 1));
}

static void double_spend_in_block(struct scene *s)
{
	struct tx *txs[] = {world_pay(s->w, &s->w->chain, 11, 6), world_pay(s->w, &s->w->chain, 11, 7)};
	struct block *b = world_block(s->w, &s->w->chain, 11, 1, txs, 2);

	certify(s, b, 1);
	block_unref(b);
}

static struct qoutpoint last_coin(const struct scene *s)
{
	return output_of(s->w->chain.blocks[10]->txs[0], 0);
}

static void inflate(struct scene *s)
{
	struct qoutput out = to(6, 251);
	add(s, spend(&s->w->honest.rules, 5, last_coin(s), &out, 1));
}

static void burn(struct scene *s)
{
	struct qoutput out = to(6, 249);
	add(s, spend(&s->w->honest.rules, 5, last_coin(s), &out, 1));
}

static void steal(struct scene *s)
{
	struct qoutput out = to(6, 250);
	add(s, spend(&s->w->honest.rules, 6, last_coin(s), &out, 1));
}

static void spend_nothing(struct scene *s)
{
	struct qoutput out = to(6, 250);
	add(s, spend(&s->w->honest.rules, 5, (struct qoutpoint){{{7}}, 0}, &out, 1));
}

static void spend_before_made(struct scene *s)
{
	struct tx *first = world_pay(s->w, &s->w->chain, 11, 5);
	struct qoutput out = to(6, 250);
	struct tx *second = spend(&s->w->honest.rules, 5, output_of(first, 0), &out, 1);
	struct block *b = world_block(s->w, &s->w->chain, 11, 1, (struct tx *[]){second, first}, 2);

	certify(s, b, 1);
	block_unref(b);
}

static void expire(struct scene *s)
{
	const struct rules *r = &s->w->honest.rules;
	struct account *a = rules_account(5);
	const struct account *signer = a;
	struct qoutpoint in = last_coin(s);
	struct qoutput out = to(6, 250);
	struct qtx_body body = {.inputs = {1, &in}, .outputs = {1, &out}, .expiry = {10}};
	struct err err = {0};

	add(s, tx_make(&r->g.chain, &body, &signer, 1, &err));
	account_free(a);
}

static void forge_signature(struct scene *s)
{
	struct qoutput thief = to(66, 250);
	struct tx *good = world_pay(s->w, &s->w->chain, 11, 6);

	add(s, forge_tx(s->w, good, &thief));
	tx_unref(good);
}

/* A stake on a chain that knows none. */
static void lock_here(struct scene *s)
{
	struct qoutput out = locked_to(5, 250, QLOCK_STAKE, 0);
	add(s, spend(&s->w->honest.rules, 5, last_coin(s), &out, 1));
}

/* ---- headers ---------------------------------------------------------------------------------------- */

static void add_with(struct scene *s, void (*spoil)(const struct scene *s, struct qheader *h))
{
	struct tx *tx = world_pay(s->w, &s->w->chain, 11, 5);
	struct block *b = world_block(s->w, &s->w->chain, 11, 1, &tx, 1);
	struct qheader h = b->header;

	spoil(s, &h);
	b = with_header(b, &h);
	certify(s, b, 1);
	block_unref(b);
}

static void set_time_back(const struct scene *s, struct qheader *h)
{
	h->time_ms = s->w->chain.blocks[10]->header.time_ms - 1;
}
static void set_parent(const struct scene *s, struct qheader *h)
{
	h->parent = s->w->chain.blocks[9]->hash;
}
static void set_proposer(const struct scene *s, struct qheader *h)
{
	(void)s;
	h->proposer = 4;
}
static void set_root(const struct scene *s, struct qheader *h)
{
	(void)s;
	h->merkle_root = rules_hash(1);
}
static void time_back(struct scene *s)
{
	add_with(s, set_time_back);
}
static void other_parent(struct scene *s)
{
	add_with(s, set_parent);
}
static void strange_proposer(struct scene *s)
{
	add_with(s, set_proposer);
}
static void other_root(struct scene *s)
{
	add_with(s, set_root);
}

/* Block 1 of two transactions once more, its leaves the other way round below the old root. */
static void reorder(struct scene *s)
{
	struct tx *txs[] = {world_pay(s->w, &s->w->chain, 11, 5), NULL};
	struct qoutput out = to(6, 500);
	txs[1] = spend(&s->w->honest.rules, 2, (struct qoutpoint){s->w->honest.rules.g.txid, 1}, &out, 1);
	struct block *b = world_block(s->w, &s->w->chain, 11, 1, txs, 2);
	struct block *swapped = block_new(&b->header, (struct tx *[]){b->txs[1], b->txs[0]}, 2);

	certify(s, swapped, 1);
	block_unref(swapped);
	block_unref(b);
}

/* Three leaves become four by doubling the odd one, as other trees than RFC 6962's allow. */
static void double_leaf(struct scene *s)
{
	struct qoutput out = to(6, 500), again = to(6, 250);
	struct tx *a = world_pay(s->w, &s->w->chain, 11, 5);
	struct tx *b =
	    spend(&s->w->honest.rules, 2, (struct qoutpoint){s->w->honest.rules.g.txid, 1}, &out, 1);
	struct tx *c = spend(&s->w->honest.rules, 5, output_of(a, 0), &again, 1);
	struct block *three = world_block(s->w, &s->w->chain, 11, 1, (struct tx *[]){a, b, c}, 3);
	struct qheader h = three->header;

	h.tx_count = 4;
	struct block *four =
	    block_new(&h, (struct tx *[]){three->txs[0], three->txs[1], three->txs[2], three->txs[2]}, 4);
	edit(&s->suspect, "DROP INDEX transactions_txid"); /* it would not have it twice */
	certify(s, four, 1);
	block_unref(four);
	block_unref(three);
}

/* ---- states ------------------------------------------------------------------------------------------- */

static void forge_state(struct scene *s)
{
	const struct world *w = s->w;
	struct qvote vote = {.height = {8}, .block = w->chain.blocks[8]->hash, .state = rules_hash(9)};
	struct qjournal j = {.kind = QJ_STABLE,
	                     .qjournal_u.stable = rules_cert(&w->honest.rules, QCHECKPOINT, &vote, 7)};
	forge_entry(&s->suspect, j);
}

/* ---- work ------------------------------------------------------------------------------------------------
 */

/* On SEALED: block 9, with its seal spoilt. */
static void add_sealed(struct scene *s, void (*spoil)(struct qheader *h))
{
	const struct world *w = s->w;
	struct block *b = pass_on(&w->honest.rules, &w->chain, 9);
	struct tx *tx = tx_ref(b->txs[0]);
	block_unref(b);
	b = world_block(w, &w->chain, 9, 0, &tx, 1);
	struct qheader h = b->header;
	spoil(&h);
	b = with_header(b, &h);
	certify(s, b, 0);
	block_unref(b);
}

static void unseal(struct qheader *h)
{
	seals_mine(h, false);
}
static void ease(struct qheader *h)
{
	h->seal.qseal_u.pow.target = seal_target_of_bits(4);
	seals_mine(h, true);
}
static void remove_seal(struct qheader *h)
{
	h->seal = (struct qseal){.kind = QSEAL_NONE};
}
static void no_work(struct scene *s)
{
	add_sealed(s, unseal);
}
static void easy_work(struct scene *s)
{
	add_sealed(s, ease);
}
static void no_seal(struct scene *s)
{
	add_sealed(s, remove_seal);
}

/* ---- stake
 * -------------------------------------------------------------------------------------------------- */

/* On STAKED: block 41, by whose turn it is unless said otherwise (below 4). */
static void add_staked(struct scene *s, struct tx *tx, unsigned proposer)
{
	const struct world *w = s->w;
	unsigned leader = proposer < 4 ? proposer : story_proposer(&w->honest.rules, 41);
	struct block *b = world_block(w, &w->chain, 41, leader, &tx, 1);

	certify(s, b, 6);
	block_unref(b);
}

/* 12 has 100 at stake since 18, and was convicted at 20: 50 are to be frozen. */
static void dodge_penalty(struct scene *s)
{
	struct qoutput out = locked_to(12, 100, QLOCK_RELEASE, 1);
	add_staked(s, spend(&s->w->honest.rules, 12, output_of(s->w->chain.blocks[18]->txs[1], 0), &out, 1),
	           4);
}

static void free_early(struct scene *s)
{
	struct qoutput out = to(3, 300); /* released at 36, free at 60 */
	add_staked(s, spend(&s->w->honest.rules, 3, output_of(s->w->chain.blocks[36]->txs[1], 0), &out, 1),
	           4);
}

static void thaw(struct scene *s)
{
	struct qoutput out = to(12, 150);
	add_staked(s, spend(&s->w->honest.rules, 12, output_of(s->w->chain.blocks[18]->txs[1], 2), &out, 1),
	           4);
}

static struct tx *report_of(struct scene *s, const struct qoffence *offence)
{
	struct qoutput out = to(1, 1000);
	return spend_and_report(&s->w->honest.rules, 1, output_of(s->w->chain.blocks[40]->txs[0], 0), &out, 1,
	                        offence);
}

static void convict_innocent(struct scene *s)
{
	struct qoffence offence = offence_by(&s->w->honest.rules, 2, 39);
	offence.second_sig = offence.first_sig; /* it signed one of the two */
	add_staked(s, report_of(s, &offence), 4);
}

static void convict_twice(struct scene *s)
{
	struct qoffence offence = offence_by(&s->w->honest.rules, 1, 20);
	add_staked(s, report_of(s, &offence), 4);
}

/* Nothing that counts is at stake for replica 3. */
static void propose_without_stake(struct scene *s)
{
	struct qoutput out = to(1, 1000);
	add_staked(s, spend(&s->w->honest.rules, 1, output_of(s->w->chain.blocks[40]->txs[0], 0), &out, 1),
	           3);
}

#define ROW(seq) "transactions(seq=" #seq ")"
/* clang-format off */
const struct crime crimes_quorum[] = {
	{"double-spend", QUORUM, "certifies a payment of what was spent at height 2", PLAIN, NULL, double_spend,
	 false, {1, "betrayed", "double_spend", ROW(12), "transactions(seq=3) spent at height 2", NULL, NULL}},
	{"double-spend-in-a-block", QUORUM, "certifies two payments of one output in one block", PLAIN, NULL,
	 double_spend_in_block, false, {1, "betrayed", "double_spend", ROW(13), NULL, NULL, NULL}},
	{"inflation", QUORUM, "certifies a payment of more than it spends", PLAIN, NULL, inflate, false,
	 {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"burning", QUORUM, "certifies a payment of less", PLAIN, NULL, burn, false,
	 {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"theft", QUORUM, "certifies a payment that its owner did not sign", PLAIN, NULL, steal, false,
	 {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"forged-payment", QUORUM, "certifies a payment whose signature does not hold", PLAIN, NULL,
	 forge_signature, false, {1, "betrayed", "signature", "transactions(seq=12).raw", NULL, NULL, NULL}},
	{"from-nothing", QUORUM, "certifies a payment of an output that never was", PLAIN, NULL, spend_nothing,
	 false, {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"before-it-was-made", QUORUM, "certifies a payment of what is made after it", PLAIN, NULL,
	 spend_before_made, false, {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"expired", QUORUM, "certifies an expired payment", PLAIN, NULL, expire, false,
	 {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"stake-on-no-stake", QUORUM, "certifies stake on a chain that knows none", PLAIN, NULL, lock_here, false,
	 {1, "betrayed", "transaction", ROW(12), NULL, NULL, NULL}},
	{"time-back", QUORUM, "certifies a block older than the one below", PLAIN, NULL, time_back, false,
	 {1, "betrayed", "linkage", "blocks(height=11).header", NULL, NULL, NULL}},
	{"other-parent", QUORUM, "certifies a block on one that is not the last", PLAIN, NULL, other_parent, false,
	 {1, "betrayed", "linkage", "blocks(height=11).header", NULL, NULL, NULL}},
	{"strange-proposer", QUORUM, "certifies a block of a replica that does not exist", PLAIN, NULL,
	 strange_proposer, false, {1, "betrayed", "linkage", "blocks(height=11).header", NULL, NULL, NULL}},
	{"other-root", QUORUM,
	 "certifies a Merkle root of nothing that there is: nobody can tell that from rows that were exchanged",
	 PLAIN, NULL, other_root, false, {1, "tampered", "merkle", "blocks(height=11).header", NULL, NULL, NULL}},
	{"reordered", "operator, no keys", "shows the transactions of a certified block in another order", PLAIN,
	 NULL, reorder, false, {1, "tampered", "merkle", "blocks(height=11).header", NULL, NULL, NULL}},
	{"leaf-doubled", QUORUM, "doubles the odd leaf of a Merkle tree", PLAIN, NULL, double_leaf, false,
	 {1, "tampered", "merkle", "blocks(height=11).header", NULL, NULL, NULL}},
	{"state-forged", QUORUM, "certifies a checkpoint of another state", PLAIN, NULL, forge_state, false,
	 {1, "betrayed", "digest", "journal(seq=5).entry", NULL, NULL, NULL}},
	{"no-work", QUORUM, "certifies a block whose work was not done", SEALED, NULL, no_work, false,
	 {1, "betrayed", "seal", "blocks(height=9).header", NULL, NULL, NULL}},
	{"easy-work", QUORUM, "certifies a block of less work than is asked for", SEALED, NULL, easy_work, false,
	 {1, "betrayed", "seal", "blocks(height=9).header", NULL, NULL, NULL}},
	{"no-seal", QUORUM, "certifies a block without a seal", SEALED, NULL, no_seal, false,
	 {1, "betrayed", "seal", "blocks(height=9).header", NULL, NULL, NULL}},
	{"out-of-turn", QUORUM, "certifies a block of a replica that has nothing at stake", STAKED, NULL,
	 propose_without_stake, false, {1, "betrayed", "proposer", "blocks(height=41).proposer", NULL, NULL, NULL}},
	{"penalty-dodged", QUORUM, "lets a convicted replica keep its stake", STAKED, NULL, dodge_penalty, false,
	 {1, "betrayed", "transaction", ROW(54), "penalty is 50", NULL, NULL}},
	{"freed-early", QUORUM, "frees released stake before its time", STAKED, NULL, free_early, false,
	 {1, "betrayed", "transaction", ROW(54), NULL, NULL, NULL}},
	{"thawed", QUORUM, "spends what a penalty froze", STAKED, NULL, thaw, false,
	 {1, "betrayed", "transaction", ROW(54), NULL, NULL, NULL}},
	{"innocent-convicted", QUORUM, "convicts a replica that signed no second vote", STAKED, NULL,
	 convict_innocent, false, {1, "betrayed", "signature", "transactions(seq=54).raw", NULL, NULL, NULL}},
	{"convicted-again", QUORUM, "convicts a replica twice for one time", STAKED, NULL, convict_twice, false,
	 {1, "betrayed", "transaction", ROW(54), NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */
