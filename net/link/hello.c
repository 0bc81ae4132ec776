/*
 * hello.c: the first message of a connection. Before: conn.c has both sides' messages exchanged. After:
 * peer.c and pipes.c go on, or hang up.
 */
#include "hello.h"

#include <ctype.h>
#include <endian.h>
#include <pthread.h>
#include <stdio.h>

struct hello {
	unsigned self, n;
	struct link_versions versions;
	struct qhash chain;
	char program[Q_NAME_MAX + 1];
	unsigned part_cnt;
	struct link_part parts[Q_PARTS_MAX]; /* names owned */
	pthread_mutex_t mutex;               /* covers what follows */
	struct bytes message;
};

/* ---- ours ------------------------------------------------------------------------- */

static struct bytes make_message(const struct hello *h, const struct qintroduction *intro)
{
	struct qhash parts[Q_PARTS_MAX];
	struct qhello q = {
	    .lowest = h->versions.lowest,
	    .highest = h->versions.highest,
	    .chain = h->chain,
	    .replica = h->self,
	    .software = (char *)(uintptr_t)h->program,
	    .parts = {h->part_cnt, parts},
	    .introduction = {intro != NULL, (struct qintroduction *)(uintptr_t)intro},
	};
	uint64_t length;

	for (unsigned i = 0; i < h->part_cnt; i++)
		parts[i] = h->parts[i].digest;
	size_t len = wire_size(WIRE(qhello), &q);
	must(len <= Q_HELLO_MAX);
	struct bytes m = {.data = xcalloc(1, sizeof(length) + len), .len = sizeof(length) + len};
	length = htobe64(len);
	memcpy(m.data, &length, sizeof(length));
	must(wire_encode_into(WIRE(qhello), &q, m.data + sizeof(length), len) == len);
	return m;
}

struct hello *hello_new(const struct link_config *config)
{
	const struct link_hello *c = &config->hello;
	struct hello *h = xcalloc(1, sizeof(*h));

	h->self = config->self;
	h->n = config->n;
	h->versions = c->versions.highest > 0 ? c->versions : link_versions;
	must(h->versions.lowest > 0 && h->versions.lowest <= h->versions.highest);
	h->chain = c->chain;
	snprintf(h->program, sizeof(h->program), "%s", c->program != NULL ? c->program : "");
	must(c->part_cnt <= Q_PARTS_MAX);
	h->part_cnt = c->part_cnt;
	for (unsigned i = 0; i < c->part_cnt; i++)
		h->parts[i] = (struct link_part){xstrdup(c->parts[i].name), c->parts[i].digest};
	must(pthread_mutex_init(&h->mutex, NULL) == 0);
	h->message = make_message(h, NULL);
	return h;
}

void hello_free(struct hello *h)
{
	for (unsigned i = 0; i < h->part_cnt; i++)
		free((char *)(uintptr_t)h->parts[i].name);
	bytes_free(&h->message);
	pthread_mutex_destroy(&h->mutex);
	free(h);
}

struct bytes hello_message(struct hello *h)
{
	pthread_mutex_lock(&h->mutex);
	struct bytes m = {xmemdup(h->message.data, h->message.len), h->message.len};
	pthread_mutex_unlock(&h->mutex);
	return m;
}

void hello_introduce(struct hello *h, const struct qintroduction *intro)
{
	struct bytes m = make_message(h, intro), old;

	pthread_mutex_lock(&h->mutex);
	old = h->message;
	h->message = m;
	pthread_mutex_unlock(&h->mutex);
	bytes_free(&old);
}

/* ---- theirs ----------------------------------------------------------------------- */

static void note(const struct hello *h, const struct qhello *theirs, struct link_said *said)
{
	*said = (struct link_said){
	    .known = true,
	    .versions = {theirs->lowest, theirs->highest},
	    .chain = theirs->chain,
	    .replica = theirs->replica,
	};
	for (size_t i = 0; i < Q_NAME_MAX && theirs->software[i] != '\0'; i++)
		said->program[i] =
		    (char)(isprint((unsigned char)theirs->software[i]) ? theirs->software[i] : '?');
	for (unsigned i = 0; i < h->part_cnt && i < theirs->parts.parts_len; i++)
		if (!qhash_eq(&h->parts[i].digest, &theirs->parts.parts_val[i]))
			said->differs |= UINT32_C(1) << i;
}

static void say_chain(const struct hello *h, const struct link_said *said, char why[LINK_WHY_MAX])
{
	char its[QHASH_HEX], ours[QHASH_HEX], names[160] = "";
	size_t len = 0;

	for (unsigned i = 0; i < h->part_cnt; i++)
		if (said->differs >> i & 1 && len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? ", " : "",
			                        h->parts[i].name);
	snprintf(
	    why, LINK_WHY_MAX,
	    "it has another genesis: its chain is %.16s..., ours %.16s...%s%s; compare genesis.json of both",
	    hex_encode(its, said->chain.b, sizeof(said->chain.b)),
	    hex_encode(ours, h->chain.b, sizeof(h->chain.b)), len > 0 ? "; what differs: " : "", names);
}

static void say_versions(const struct hello *h, const struct link_said *said, char why[LINK_WHY_MAX])
{
	bool we_lag = said->versions.lowest > h->versions.highest;

	snprintf(
	    why, LINK_WHY_MAX,
	    "it (%s) speaks protocol %u to %u, we (%s) %u to %u; upgrade %s, or see whether its node.conf "
	    "pins \"protocol\"",
	    said->program, said->versions.lowest, said->versions.highest, h->program, h->versions.lowest,
	    h->versions.highest, we_lag ? "this node" : "that node");
}

enum link_trouble hello_judge(const struct hello *h, const struct qhello *theirs, unsigned peer,
                              struct link_said *said, unsigned *version, char why[LINK_WHY_MAX])
{
	note(h, theirs, said);
	*version = 0;
	why[0] = '\0';
	if (!qhash_eq(&theirs->chain, &h->chain)) { /* LK3 */
		say_chain(h, said, why);
		return LINK_OTHER_CHAIN;
	}
	unsigned common = theirs->highest < h->versions.highest ? theirs->highest : h->versions.highest;
	if (common < theirs->lowest || common < h->versions.lowest) { /* LK1 */
		say_versions(h, said, why);
		return LINK_OTHER_PROTOCOL;
	}
	if (peer != HELLO_ANYBODY && theirs->replica != peer) { /* LK4 */
		snprintf(why, LINK_WHY_MAX,
		         "replica %u answers there: the address is that of another replica", theirs->replica);
		return LINK_OTHER_REPLICA;
	}
	*version = common;
	return LINK_FINE;
}
