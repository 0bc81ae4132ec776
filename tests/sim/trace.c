/*
 * trace.c: a run as text, one line an event, and the hash of that text. Two runs are the same run exactly
 * when their hashes are.
 */
#include "trace.h"

#include <stdarg.h>
#include <stdlib.h>

/* FNV-1a over 64 bits: nobody forges traces, and every build computes the same. */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct trace {
	uint64_t hash;
};

void trace_start(struct sim *s)
{
	s->trace = xcalloc(1, sizeof *s->trace);
	s->trace->hash = FNV_START;
}

void trace_free(struct sim *s)
{
	free(s->trace);
	s->trace = NULL;
}

uint64_t trace_hash(const struct sim *s)
{
	return s->trace->hash;
}

static void hash_in(struct trace *t, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t hash = t->hash;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	t->hash = hash;
}

static void hash_word(struct trace *t, uint64_t word)
{
	for (unsigned i = 0; i < 8; i++) {
		t->hash = (t->hash ^ (word & 0xff)) * FNV_PRIME;
		word >>= 8;
	}
}

void trace_line(struct sim *s, const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	must(len >= 0);
	hash_word(s->trace, s->now_ms);
	hash_in(s->trace, line, strnlen(line, sizeof line));
	if (s->o.trace)
		fprintf(s->o.trace, "%8" PRIu64 " %s\n", s->now_ms, line);
}

void trace_packet(struct sim *s, const char *what, unsigned machine, const struct packet *p)
{
	const struct message *m = p->message;
	char text[QHASH_HEX] = "refused";
	struct qhash id = {{0}};

	hash_word(s->trace, s->now_ms);
	hash_word(s->trace, (uint64_t)(unsigned char)what[0] << 32 | machine);
	hash_word(s->trace, p->number);
	if (m) {
		id = message_id(m);
		hash_in(s->trace, id.b, sizeof id.b);
	}
	if (!s->o.trace)
		return;
	if (m)
		hex_encode(text, id.b, 4);
	fprintf(s->o.trace, "%8" PRIu64 " %s %u #%" PRIu64 " from %u %s %s", s->now_ms, what, machine,
	        p->number, p->from, packet_kind_name(p), text);
	if (m)
		packet_describe(s->o.trace, &m->m);
	fputc('\n', s->o.trace);
}

/* ---- messages as text ------------------------------------------------------------------------------ */

const char *packet_kind_name(const struct packet *p)
{
	static const char *const names[] = {
	    [0] = "?",
	    [QPRE_PREPARE] = "PRE-PREPARE",
	    [QPREPARE] = "PREPARE",
	    [QCOMMIT] = "COMMIT",
	    [QCHECKPOINT] = "CHECKPOINT",
	    [QVIEW_CHANGE] = "VIEW-CHANGE",
	    [QNEW_VIEW] = "NEW-VIEW",
	    [QSTATUS] = "STATUS",
	    [QTXS] = "TXS",
	    [QGET_TXS] = "GET-TXS",
	    [QGET_CHAIN] = "GET-CHAIN",
	    [QCHAIN] = "CHAIN",
	    [QGET_BODIES] = "GET-BODIES",
	    [QBODY] = "BODY",
	    [QGET_EVIDENCE] = "GET-EVIDENCE",
	    [QEVIDENCE] = "EVIDENCE",
	};
	unsigned kind = p->message ? (unsigned)p->message->m.kind : 0;

	return kind < sizeof names / sizeof *names ? names[kind] : "?";
}

static void describe_block(FILE *f, const struct qhash *block)
{
	char text[QHASH_HEX];

	fprintf(f, " b=%s", hex_encode(text, block->b, 4));
}

void packet_describe(FILE *f, const struct qmessage *m)
{
	switch (m->kind) {
	case QPRE_PREPARE:
		fprintf(f, " v=%" PRIu64 " h=%" PRIu64 " txs=%u", m->qmessage_u.proposal.view.n,
		        m->qmessage_u.proposal.header.height.n, m->qmessage_u.proposal.header.tx_count);
		break;
	case QPREPARE:
	case QCOMMIT:
	case QCHECKPOINT:
		fprintf(f, " v=%" PRIu64 " h=%" PRIu64, m->qmessage_u.vote.view.n,
		        m->qmessage_u.vote.height.n);
		describe_block(f, &m->qmessage_u.vote.block);
		break;
	case QVIEW_CHANGE:
		fprintf(f, " v=%" PRIu64 " tip=%" PRIu64 " prepared=%u", m->qmessage_u.view_change.view.n,
		        m->qmessage_u.view_change.tip.tip_len
		            ? m->qmessage_u.view_change.tip.tip_val[0].vote.height.n
		            : 0,
		        m->qmessage_u.view_change.prepared.prepared_len);
		break;
	case QNEW_VIEW:
		fprintf(f, " v=%" PRIu64, m->qmessage_u.new_view.view.n);
		for (unsigned i = 0; i < m->qmessage_u.new_view.changes.changes_len; i++)
			fprintf(f, "%s%u",
			        i ? "," : " V=", m->qmessage_u.new_view.changes.changes_val[i].sender);
		break;
	case QSTATUS:
		fprintf(f,
		        " asked=%" PRIu64 " entered=%" PRIu64 " tip=%" PRIu64 " executed=%" PRIu64
		        " stable=%" PRIu64,
		        m->qmessage_u.status.asked.n, m->qmessage_u.status.entered.n,
		        m->qmessage_u.status.tip.n, m->qmessage_u.status.executed.n,
		        m->qmessage_u.status.stable.n);
		break;
	case QTXS:
		fprintf(f, " txs=%u", m->qmessage_u.txs.txs.txs_len);
		break;
	case QGET_TXS:
		fprintf(f, " leaves=%u", m->qmessage_u.get_txs.leaves.leaves_len);
		break;
	case QGET_CHAIN:
		fprintf(f, " above=%" PRIu64, m->qmessage_u.get_chain.above.n);
		break;
	case QCHAIN:
		fprintf(f, " headers=%u up to %" PRIu64, m->qmessage_u.chain.headers.headers_len,
		        m->qmessage_u.chain.cert.vote.height.n);
		break;
	case QGET_BODIES:
		fprintf(f, " blocks=%u", m->qmessage_u.get_bodies.blocks.blocks_len);
		break;
	case QBODY:
		describe_block(f, &m->qmessage_u.body.block);
		break;
	case QGET_EVIDENCE:
		fprintf(f, " after=%" PRIu64, m->qmessage_u.get_evidence.after);
		break;
	case QEVIDENCE:
		fprintf(f, " pieces=%u upto=%" PRIu64, m->qmessage_u.evidence.list.list_len,
		        m->qmessage_u.evidence.upto);
		break;
	}
}
