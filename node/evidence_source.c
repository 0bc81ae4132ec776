/*
 * evidence_source.c: see evidence_source.h.
 */
#include "evidence_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "out.h"
#include "text.h"

enum { PAGE = 100 };

void piece_free(struct piece *p)
{
	if (p->holds)
		wire_free(WIRE(qevidence), &p->ev);
}

/* ---- opening --------------------------------------------------------------------------- */

static bool right_chain(const struct evidence_source *s, const struct qhash *chain, struct err *err)
{
	char theirs[QHASH_HEX], ours[QHASH_HEX];
	if (qhash_eq(chain, &s->genesis->chain))
		return true;
	return err_set(err, ERR_INPUT, "%s is of chain %s, but the genesis is of chain %s", s->name,
	               hex_encode(theirs, chain->b, sizeof chain->b),
	               hex_encode(ours, s->genesis->chain.b, sizeof s->genesis->chain.b));
}

/* The genesis that is in a home. */
static char *home_genesis(const char *ledger)
{
	struct stat st;
	if (stat(ledger, &st) != 0 || !S_ISDIR(st.st_mode))
		return NULL;
	char *path = text_format("%s/genesis.json", ledger);
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static bool open_ledger(struct evidence_source *s, const struct cmd_common *common, const char *ledger,
                        struct err *err)
{
	s->name = s->path = access_ledger_path(ledger);
	s->reader = access_reader(s->path, err);
	if (s->reader == NULL)
		return false;
	char *own = common->genesis == NULL ? home_genesis(ledger) : NULL;
	const char *genesis = own != NULL ? own : access_genesis_path(common);
	if (genesis != NULL)
		s->genesis = genesis_load(genesis, err);
	else
		err_set(err, ERR_INPUT,
		        "--genesis is missing: whether evidence holds, the chain's genesis decides");
	free(own);
	return s->genesis != NULL && right_chain(s, reader_chain_id(s->reader), err);
}

static bool told_genesis(struct evidence_source *s, struct err *err)
{
	json_t *json = client_get(s->client, "/v1/genesis", err);
	char *text = json == NULL ? NULL : json_dumps(json, 0);
	json_decref(json);
	if (text == NULL)
		return false;
	s->genesis = genesis_parse(text, strlen(text), err);
	free(text);
	if (s->genesis == NULL)
		return err_prefix(err, "%s: its genesis", client_url(s->client));
	out_note("no genesis is at hand: evidence is held against the one that %s tells (--genesis FILE for "
	         "your own)",
	         client_url(s->client));
	return true;
}

static bool open_node(struct evidence_source *s, const struct cmd_common *common, struct err *err)
{
	const char *genesis = access_genesis_path(common);
	struct client_status status;
	if (genesis != NULL && (s->genesis = genesis_load(genesis, err)) == NULL)
		return false;
	s->client = access_client(common, err);
	if (s->client == NULL || (genesis == NULL && !told_genesis(s, err)) ||
	    !client_status(s->client, &status, err))
		return false;
	s->node = client_current(s->client);
	s->name = client_url(s->client);
	return right_chain(s, &status.chain, err);
}

bool evidence_source_open(struct evidence_source *s, const struct cmd_common *common, const char *ledger,
                          struct err *err)
{
	*s = (struct evidence_source){0};
	return ledger != NULL ? open_ledger(s, common, ledger, err) : open_node(s, common, err);
}

void evidence_source_close(struct evidence_source *s)
{
	reader_close(s->reader);
	client_free(s->client);
	genesis_free(s->genesis);
	json_decref(s->page);
	free(s->path);
}

void evidence_source_from(struct evidence_source *s, int64_t seq)
{
	s->seq = seq - 1;
}

/* ---- pieces ---------------------------------------------------------------------------- */

/* Judges *ev, which is taken. */
static void judge_take(struct evidence_source *s, struct piece *p, struct qevidence *ev)
{
	p->holds = evidence_verify(s->genesis, ev, &p->why);
	if (p->holds)
		p->ev = *ev;
	else
		wire_free(WIRE(qevidence), ev);
}

static enum found next_of_ledger(struct evidence_source *s, struct piece *p, struct err *err)
{
	struct qevidence ev;
	int64_t before = s->seq;
	enum found found = reader_evidence(s->reader, &s->seq, &ev, err);
	p->seq = s->seq;
	if (found == FOUND)
		judge_take(s, p, &ev);
	if (found != FOUND_ERROR || s->seq == before)
		return found;
	p->why = *err; /* of this entry alone */
	*err = (struct err){0};
	return FOUND;
}

static bool fetch_page(struct evidence_source *s, struct err *err)
{
	char path[64];
	snprintf(path, sizeof path, "/v1/evidence?from=%" PRId64 "&limit=%d", s->seq + 1, PAGE);
	json_decref(s->page);
	s->page = client_get(s->client, path, err);
	s->at = s->cnt = 0;
	if (s->page == NULL)
		return false;
	if (client_current(s->client) != s->node)
		return err_set(err, ERR_WORLD, "%s stopped answering; each node has its own journal",
		               s->name);
	struct jvalue root = jread_root(s->page), list = jread_field(&root, "evidence");
	s->last_page = !json_is_integer(json_object_get(s->page, "next"));
	return jread_array(&list, PAGE, &s->cnt, err) || err_prefix(err, "%s%s", s->name, path);
}

static bool read_proof(const struct jvalue *item, struct qevidence *ev, struct err *err)
{
	struct jvalue proof = jread_field(item, "proof");
	const char *hex;
	if (!jread_string(&proof, EVIDENCE_FILE_MAX, &hex, err))
		return false;
	size_t len = strlen(hex) / 2;
	uint8_t *data = xcalloc(len + 1, 1);
	bool ok = hex_decode(data, len, hex) && wire_decode(WIRE(qevidence), data, len, ev);
	free(data);
	return ok || err_set(err, ERR_NO, "its proof is not the canonical encoding of evidence");
}

static enum found next_of_node(struct evidence_source *s, struct piece *p, struct err *err)
{
	struct qevidence ev;
	if (s->at == s->cnt && s->last_page)
		return NOT_FOUND;
	if (s->at == s->cnt && !fetch_page(s, err))
		return FOUND_ERROR;
	if (s->cnt == 0)
		return NOT_FOUND;
	struct jvalue root = jread_root(s->page), list = jread_field(&root, "evidence");
	struct jvalue item = jread_element(&list, s->at++), seq = jread_field(&item, "seq");
	uint64_t number;
	if (!jread_uint(&seq, (uint64_t)s->seq + 1, INT64_MAX - 1, &number, err)) {
		err->kind = ERR_WORLD;
		err_prefix(err, "%s", s->name);
		return FOUND_ERROR;
	}
	p->seq = s->seq = (int64_t)number;
	if (read_proof(&item, &ev, &p->why))
		judge_take(s, p, &ev);
	return FOUND;
}

enum found evidence_next(struct evidence_source *s, struct piece *p, struct err *err)
{
	*p = (struct piece){0};
	return s->reader != NULL ? next_of_ledger(s, p, err) : next_of_node(s, p, err);
}
