/*
 * fuzz_certificate.c: cert_verify() beside a plain verifier that shares nothing with it but libsodium: both
 * must say the same of every certificate.  The first byte selects the chain, and whether every signature is
 * made anew, so that the rules on who signs and what are tried by valid ones, too.
 *
 * Links: q_ledger
 */
#include <sodium.h>

#include "fuzz.h"
#include "inside.h"

static struct rules chains[3];

static void add(uint8_t chain, enum qkind kind, const struct qvote *vote, uint64_t mask)
{
	struct qcert c = rules_cert(&chains[chain], kind, vote, mask);
	struct bytes b = rules_encode(WIRE(qcert), &c);

	fuzz_seed_as(chain, b.data, b.len);
	fuzz_seed_as(chain | SIGN_ANEW, b.data, b.len);
	bytes_free(&b);
	wire_free(WIRE(qcert), &c);
}

static void setup(void)
{
	static const unsigned sizes[3] = {1, 4, 7};
	struct qvote plain = {.view = {3}, .height = {7}, .block = rules_hash(8)};
	struct qvote checkpoint = {.height = {64}, .block = rules_hash(8), .state = rules_hash(9)};

	for (uint8_t i = 0; i < 3; i++) {
		uint64_t all = (1ULL << sizes[i]) - 1;
		rules_setup(&chains[i], sizes[i], "fuzz");
		add(i, QPREPARE, &plain, all);
		add(i, QCOMMIT, &plain, rules_quorum_mask(&chains[i]));
		add(i, QCHECKPOINT, &checkpoint, all & ~1ULL);
	}
}

static void teardown(void)
{
	for (size_t i = 0; i < 3; i++)
		rules_teardown(&chains[i]);
}

/* ---- the plain verifier ------------------------------------------------------------- */

static size_t put(uint8_t *buf, size_t at, uint64_t n, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		buf[at + i] = (uint8_t)(n >> (8 * (len - 1 - i)));
	return at + len;
}

static size_t put_bytes(uint8_t *buf, size_t at, const void *data, size_t len)
{
	memcpy(buf + at, data, len);
	return at + len;
}

/* What a replica signs, after ident.h and quorate.x by hand. */
static size_t statement(const struct rules *r, const struct qcert *c, uint8_t buf[160])
{
	static const char tag[] = "quorate/replica/v1";
	size_t len = put(buf, 0, sizeof tag - 1, 1);

	len = put_bytes(buf, len, tag, sizeof tag - 1);
	len = put_bytes(buf, len, r->g.chain.b, 32);
	len = put(buf, len, (uint64_t)c->kind, 4);
	len = put(buf, len, c->vote.view.n, 8);
	len = put(buf, len, c->vote.height.n, 8);
	len = put_bytes(buf, len, c->vote.block.b, 32);
	return put_bytes(buf, len, c->vote.state.b, 32);
}

static bool naive(const struct rules *r, const struct qcert *c)
{
	uint8_t buf[160], zero[32] = {0};
	size_t len = statement(r, c, buf);
	bool seen[Q_REPLICAS_MAX] = {false};
	unsigned cnt = 0, highest = 0, f = (r->g.n - 1) / 3;

	if (c->vote.height.n == 0 || c->vote.height.n > 0x4000000000000000 ||
	    c->vote.view.n > 0x4000000000000000)
		return false;
	if (c->kind != QPREPARE && c->kind != QCOMMIT && c->kind != QCHECKPOINT)
		return false;
	if (c->kind == QCHECKPOINT ? c->vote.view.n != 0 : memcmp(c->vote.state.b, zero, 32) != 0)
		return false;
	for (unsigned i = 0; i < c->sigs.sigs_len; i++) {
		const struct qcert_sig *s = &c->sigs.sigs_val[i];
		if (s->replica >= r->g.n || seen[s->replica] || s->replica < highest)
			return false;
		if (crypto_sign_verify_detached(s->sig.b, buf, len,
		                                r->g.g.replicas.replicas_val[s->replica].key.b))
			return false;
		seen[s->replica] = true;
		highest = s->replica;
		cnt++;
	}
	return 2 * cnt >= r->g.n + f + 1;
}

/* ---- the test ------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct qcert c;
	int bad = 99;

	if (len == 0 || !wire_decode(WIRE(qcert), data + 1, len - 1, &c))
		return 0;
	const struct rules *r = &chains[(data[0] & ~SIGN_ANEW) % 3];
	if (data[0] & SIGN_ANEW)
		sign_cert(r, &c);
	bool ok = cert_verify(&r->g, &c, &bad);
	must(ok == naive(r, &c));
	must(!ok || (bad == -1 && cert_well_formed(&r->g, &c)));
	must(bad == -1 || ((unsigned)bad < r->g.n && cert_well_formed(&r->g, &c)));
	wire_free(WIRE(qcert), &c);
	return 0;
}

const struct fuzz_target fuzz_target = {
    .name = "certificate", .runs = 6000, .setup = setup, .teardown = teardown};
