/*
 * engine.c: what every engine shares: giving back a list of outputs.
 */
#include <stdlib.h>

#include "engine.h"

static void output_clear(struct engine_output *o)
{
	switch (o->kind) {
	case OUT_PERSIST:
		bytes_free(&o->record.data);
		break;
	case OUT_JOURNAL:
	case OUT_EVIDENCE:
		bytes_free(&o->journal);
		break;
	case OUT_SEND:
		message_unref(o->send.message);
		break;
	case OUT_EXECUTE:
		free(o->execute.hashes);
		free(o->execute.headers);
		wire_free(WIRE(qcert), &o->execute.cert);
		break;
	case OUT_WANT_BODY:
		free(o->want_body.leaves);
		break;
	case OUT_PERSIST_BLOCK:
	case OUT_VALIDATE:
	case OUT_WANT_CHAIN:
	case OUT_RESEND_PENDING:
	case OUT_SEAL:
	case OUT_SEAL_STOP:
	case OUT_VIEW:
	case OUT_MUTE:
	case OUT_HALT:
		break;
	}
}

void engine_outputs_clear(struct engine_outputs *out)
{
	for (size_t i = 0; i < out->cnt; i++)
		output_clear(&out->list[i]);
	free(out->list);
	*out = (struct engine_outputs){0};
}
