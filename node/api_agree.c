/*
 * api_agree.c: what the ledger's rows say of outputs, held against what the replica has in memory.
 *
 * An edited spent_by shows nowhere else in the file.  A block may be executed between the look into the file
 * and the question to the replica: then nothing is compared.
 */
#include "api_impl.h"

static enum agreed compare(const struct call *c, struct reader *reader, struct qheight height,
                           struct err *err)
{
	char text[200], hex[QHASH_HEX];
	if (c->dispute.height.n != height.n)
		return AGREED_MOVED;
	if (c->dispute.disputed == c->dispute.cnt)
		return AGREED;
	const struct output_said *said = &c->dispute.list[c->dispute.disputed];
	snprintf(text, sizeof text,
	         "outputs: output %u of transaction %s is %s by its row, which is not what was executed",
	         said->point.index, hex_encode(hex, said->point.tx.b, sizeof said->point.tx.b),
	         said->unspent ? "unspent" : "spent");
	reader_damaged(reader, text, err);
	return AGREED_NOT;
}

enum agreed api_agree(struct node *n, struct reader *reader, struct qheight height, struct output_said *list,
                      size_t cnt, struct err *err)
{
	struct call *c = call_new(CALL_DISPUTE);
	c->dispute.cnt = cnt;
	c->dispute.list = list;
	enum agreed agreed = node_call(n, c) ? compare(c, reader, height, err) : AGREED_BUSY;
	call_unref(c);
	return agreed;
}
