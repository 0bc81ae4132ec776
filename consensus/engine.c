/*
 * engine.c: what every engine shares: giving back a list of outputs.
 */
#include <stdlib.h>

#include "engine.h"

const char *const engine_rule_name[ENGINE_RULES] = {
    [RULE_PP1] = "PP1", [RULE_PP2] = "PP2", [RULE_PP3] = "PP3",   [RULE_PP5] = "PP5",   [RULE_PP6] = "PP6",
    [RULE_PP7] = "PP7", [RULE_PP8] = "PP8", [RULE_PP10] = "PP10", [RULE_PP11] = "PP11", [RULE_V1] = "V1",
    [RULE_V2] = "V2",   [RULE_CP1] = "CP1", [RULE_CP3] = "CP3",   [RULE_VC2] = "VC2",   [RULE_NV2] = "NV2",
};

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
