/*
 * crimes_chain.c: history rewritten, rows and hashes all in agreement; certificates made up; the journal's
 * links made anew.  What is lacking are the others' signatures.
 */
#include "crime.h"

#define OPERATOR "operator, no keys"
#define ONE_KEY "f keys: his own"
#define TWO_KEYS "f+1 keys"

/* ---- rewriting ---------------------------------------------------------------------------------- */

/*
 * Blocks 9 and 10 once more: in 9 the 250 go to a thief, below the signature of account 5, which paid them to
 * itself; in 10 is a payment that was really made, by another.  All rows and hashes agree; the certificate at
 * 10 is of the replicas of the mask, or, for none of them, still the old one.
 */
static void rewrite(struct scene *s, uint64_t mask)
{
	const struct world *w = s->w;
	const struct rules *r = &w->honest.rules;
	struct chain c = w->chain;
	struct qoutput thief = to(66, 250), other = to(6, 500);
	struct tx *nine = forge_tx(w, c.blocks[9]->txs[0], &thief);
	struct tx *ten = spend(r, 2, (struct qoutpoint){r->g.txid, 1}, &other, 1);
	struct qvote vote = {.view = {1}, .height = {10}, .block = c.blocks[10]->hash};
	struct qcert old = rules_cert(r, QCOMMIT, &vote, 7);

	forge_cut(&s->suspect, 8);
	c.blocks[9] = world_block(w, &c, 9, 1, &nine, 1);
	c.blocks[10] = world_block(w, &c, 10, 1, &ten, 1);
	vote.block = c.blocks[10]->hash;
	struct qcert cert = rules_cert(r, QCOMMIT, &vote, mask);
	forge_append(&s->suspect, c.blocks[9], 10);
	forge_append(&s->suspect, c.blocks[10], 10);
	forge_cert(&s->suspect, mask ? &cert : &old);
	wire_free(WIRE(qcert), &old);
	wire_free(WIRE(qcert), &cert);
	block_unref(c.blocks[9]);
	block_unref(c.blocks[10]);
}

static void rewrite_no_keys(struct scene *s)
{
	rewrite(s, 0);
}
static void rewrite_one_key(struct scene *s)
{
	rewrite(s, 0x8);
}
static void rewrite_two_keys(struct scene *s)
{
	rewrite(s, 0xc);
}

/* Block 5 with a transaction more, or the same in another order: the header is the old one. */
static void slip_in(struct scene *s)
{
	const struct world *w = s->w;
	struct qoutput out = to(66, 500);
	struct tx *more = spend(&w->honest.rules, 2, (struct qoutpoint){w->honest.rules.g.txid, 1}, &out, 1);
	struct block *b =
	    block_new(&w->chain.blocks[10]->header, (struct tx *[]){w->chain.blocks[10]->txs[0], more}, 2);
	struct qvote vote = {.view = {1}, .height = {10}, .block = b->hash};
	struct qcert cert = rules_cert(&w->honest.rules, QCOMMIT, &vote, 7);

	forge_cut(&s->suspect, 9);
	forge_append(&s->suspect, b, 10);
	forge_cert(&s->suspect, &cert);
	place_edit(&s->suspect, "UPDATE blocks SET certified_by = 10 WHERE height = 9");
	wire_free(WIRE(qcert), &cert);
	block_unref(b);
	tx_unref(more);
}

/* ---- certificates at 7, which covers 5 to 7 ---------------------------------------------------- */

static struct qvote vote_at_7(const struct scene *s)
{
	return (struct qvote){.view = {1}, .height = {7}, .block = s->w->chain.blocks[7]->hash};
}

static void certify(struct scene *s, struct qcert cert)
{
	forge_cert(&s->suspect, &cert);
	wire_free(WIRE(qcert), &cert);
}

static struct qcert commits(const struct scene *s, uint64_t mask)
{
	struct qvote vote = vote_at_7(s);
	return rules_cert(&s->w->honest.rules, QCOMMIT, &vote, mask);
}

static void cert_too_few(struct scene *s)
{
	certify(s, commits(s, 3));
}

static void cert_duplicate(struct scene *s)
{
	struct qcert cert = commits(s, 3);
	cert.sigs.sigs_val[cert.sigs.sigs_len++] = cert.sigs.sigs_val[1];
	certify(s, cert);
}

static void cert_out_of_range(struct scene *s)
{
	struct qcert cert = commits(s, 7);
	cert.sigs.sigs_val[2].replica = 4;
	certify(s, cert);
}

static void cert_wrong_signature(struct scene *s)
{
	struct qcert cert = commits(s, 7);
	cert.sigs.sigs_val[1].sig = cert.sigs.sigs_val[0].sig;
	certify(s, cert);
}

static void cert_other_view(struct scene *s)
{
	struct qcert cert = commits(s, 7);
	cert.vote.view.n = 2;
	certify(s, cert);
}

static void cert_of_prepares(struct scene *s)
{
	struct qvote vote = vote_at_7(s);
	struct qcert cert = rules_cert(&s->w->honest.rules, QPREPARE, &vote, 7);
	cert.kind = QCOMMIT; /* as it is shown; the signatures are of PREPAREs */
	certify(s, cert);
}

static void cert_openly_of_prepares(struct scene *s)
{
	struct qvote vote = vote_at_7(s);
	certify(s, rules_cert(&s->w->honest.rules, QPREPARE, &vote, 7));
}

static void cert_moved(struct scene *s)
{
	edit(&s->suspect,
	     "UPDATE certificates SET (kind, view, block, certificate) ="
	     " (SELECT kind, view, block, certificate FROM certificates WHERE height = 8) WHERE height = 7;"
	     "DELETE FROM signers WHERE height = 7;"
	     "INSERT INTO signers SELECT 7, replica, signature FROM signers WHERE height = 8");
}

static void cert_other_state(struct scene *s)
{
	const struct world *w = s->w;
	struct qcert cert = checkpoint_at(&w->honest.rules, &w->chain, 4);
	cert.vote.state = rules_hash(9);
	certify(s, cert);
}

/* ---- the journal, with its links made anew --------------------------------------------------------- */

static void forget_new_view(struct scene *s)
{
	edit(&s->suspect, "DELETE FROM journal WHERE seq = 2");
	forge_links(&s->suspect);
}

static void forget_evidence(struct scene *s)
{
	edit(&s->suspect, "DELETE FROM culprits WHERE seq = 3; DELETE FROM evidence WHERE seq = 3;"
	                  "DELETE FROM journal WHERE seq = 3");
	forge_links(&s->suspect);
}

static void forge_new_view(struct scene *s)
{
	const struct world *w = s->w;
	struct qjournal j = world_new_view(w, 2, 0xc, 0, NULL, NULL, NULL); /* two are no quorum */
	forge_entry(&s->suspect, j);
}

static void forge_checkpoint(struct scene *s)
{
	const struct world *w = s->w;
	struct qvote vote = {.height = {8}, .block = w->chain.blocks[8]->hash, .state = w->chain.digests[8]};
	struct qjournal j = {.kind = QJ_STABLE,
	                     .qjournal_u.stable = rules_cert(&w->honest.rules, QCHECKPOINT, &vote, 8)};
	forge_entry(&s->suspect, j);
}

/* Evidence against an honest replica: its signature is copied from elsewhere. */
static void frame_innocent(struct scene *s)
{
	const struct rules *r = &s->w->honest.rules;
	struct qmessage a = {.kind = QCOMMIT,
	                     .qmessage_u.vote = {.view = {1}, .height = {5}, .block = rules_hash(1)}};
	struct qmessage b = a;
	struct qjournal j = {.kind = QJ_EVIDENCE, .qjournal_u.evidence.kind = QEV_CONFLICT};
	struct qconflict *c = &j.qjournal_u.evidence.qevidence_u.conflict;

	b.qmessage_u.vote.block = rules_hash(2);
	c->first = envelope(r, 0, &a);
	c->second = envelope(r, 3, &b); /* by his own key */
	c->second.sender = 0;
	forge_entry(&s->suspect, j);
	char first[65], second[65], sql[512];
	snprintf(sql, sizeof sql,
	         "INSERT INTO evidence (seq, kind, statement, view, height, first, second)"
	         " VALUES (5, 'conflict', 'commit', 1, 5, x'%s', x'%s'); INSERT INTO culprits VALUES (5, 0)",
	         hex_encode(first, rules_hash(1).b, 32), hex_encode(second, rules_hash(2).b, 32));
	edit(&s->suspect, sql);
}

static void cut_end(struct scene *s)
{
	forge_cut(&s->suspect, 8);
}

static void cut_run(struct scene *s)
{
	forge_cut(&s->suspect, 6);
}

static void cut_below_checkpoint(struct scene *s)
{
	forge_cut(&s->suspect, 3);
}

/* clang-format off */
const struct crime crimes_chain[] = {
	{"rewritten", OPERATOR,
	 "lets block 9 pay a thief; remakes id, Merkle root, header and hash, and those above", PLAIN, NULL,
	 rewrite_no_keys, false,
	 {1, "tampered", "certificate", "certificates(height=10).certificate", NULL, NULL, NULL}},
	{"rewritten-and-signed", ONE_KEY, "the same, and signs the new blocks", PLAIN, NULL, rewrite_one_key, false,
	 {1, "tampered", "certificate", "certificates(height=10).certificate", NULL, NULL, NULL}},
	{"rewritten-by-two", TWO_KEYS, "the same with another replica's help", PLAIN, NULL, rewrite_two_keys, false,
	 {1, "tampered", "certificate", "certificates(height=10).certificate", NULL, NULL, NULL}},
	{"slipped-in", OPERATOR, "adds a payment to a block below its old header", PLAIN, NULL, slip_in, false,
	 {1, "tampered", "extra", "transactions(seq=12)", NULL, NULL, NULL}},
	{"too-few-signers", TWO_KEYS, "shows a certificate of two replicas", PLAIN, NULL, cert_too_few, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", NULL, NULL, NULL}},
	{"duplicate-signer", TWO_KEYS, "counts one of them twice", PLAIN, NULL, cert_duplicate, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", NULL, NULL, NULL}},
	{"signer-out-of-range", TWO_KEYS, "adds a replica that does not exist", PLAIN, NULL, cert_out_of_range,
	 false, {1, "tampered", "certificate", "certificates(height=7).certificate", NULL, NULL, NULL}},
	{"copied-signature", TWO_KEYS, "copies one replica's signature for another", PLAIN, NULL,
	 cert_wrong_signature, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", "signature of replica 1", NULL, NULL}},
	{"other-view", OPERATOR, "says that a certificate is of a later view", PLAIN, NULL, cert_other_view, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", "signature of replica 0", NULL, NULL}},
	{"prepares-as-commits", OPERATOR, "shows signatures of PREPAREs as COMMITs", PLAIN, NULL, cert_of_prepares,
	 false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", "signature of replica 0", NULL, NULL}},
	{"prepares", OPERATOR, "shows a certificate of PREPAREs, which makes nothing final", PLAIN, NULL,
	 cert_openly_of_prepares, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", NULL, NULL, NULL}},
	{"certificate-moved", OPERATOR, "shows a certificate of another height", PLAIN, NULL, cert_moved, false,
	 {1, "tampered", "certificate", "certificates(height=7).certificate", NULL, NULL, NULL}},
	{"checkpoint-forged", OPERATOR, "puts another state into a checkpoint", PLAIN, NULL, cert_other_state,
	 false, {1, "tampered", "certificate", "certificates(height=4).certificate", NULL, NULL, NULL}},
	{"false-new-view", TWO_KEYS, "writes a NEW-VIEW of two replicas into the journal", PLAIN, NULL,
	 forge_new_view, false, {1, "tampered", "journal", "journal(seq=5).entry", NULL, NULL, NULL}},
	{"false-checkpoint", ONE_KEY, "writes a stable checkpoint that he alone signed", PLAIN, NULL,
	 forge_checkpoint, false, {1, "tampered", "journal", "journal(seq=5).entry", NULL, NULL, NULL}},
	{"framed", ONE_KEY, "makes evidence against an honest replica", PLAIN, NULL, frame_innocent, false,
	 {1, "tampered", "journal", "journal(seq=5).entry", NULL, NULL, NULL}},
	{"end-cut", OPERATOR, "removes the last two blocks with all their rows", PLAIN, NULL, cut_end, true,
	 {0, "behind", NULL, NULL, NULL, NULL, NULL}},
	{"end-cut-alone", OPERATOR, "the same below a checkpoint that the journal has", PLAIN, NULL,
	 cut_below_checkpoint, false, {0, "behind", NULL, NULL, NULL, NULL, NULL}},
	{"run-cut", OPERATOR, "removes the last blocks, and the certificate that the rest needs", PLAIN, NULL,
	 cut_run, false, {1, "tampered", "missing", "certificates(height=7)", NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */

/* What one ledger, and its node's word, cannot show: the journal is its own, and its links bind nobody. */
/* clang-format off */
const struct crime crimes_untold[] = {
	{"new-view-forgotten", OPERATOR, "removes the NEW-VIEW from the journal and makes all its links anew",
	 PLAIN, NULL, forget_new_view, false, {0, "sound", NULL, NULL, NULL, NULL, NULL}},
	{"evidence-forgotten", OPERATOR, "removes evidence in the same way", PLAIN, NULL, forget_evidence, false,
	 {0, "sound", NULL, NULL, NULL, NULL, NULL}},
	{NULL},
};
/* clang-format on */
