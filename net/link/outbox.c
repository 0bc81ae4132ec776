/*
 * outbox.c: what waits for one peer. After: peer.c sends the frames that outbox_take() makes.
 */
#include "outbox.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "err.h"

struct parcel {
	STAILQ_ENTRY(parcel) next;
	size_t len;
	uint8_t data[]; /* an encoded qenvelope */
};

void outbox_init(struct outbox *o, size_t bytes_max)
{
	*o = (struct outbox){.bytes_max = bytes_max};
	STAILQ_INIT(&o->queue);
}

static void remove_oldest(struct outbox *o)
{
	struct parcel *p = STAILQ_FIRST(&o->queue);

	STAILQ_REMOVE_HEAD(&o->queue, next);
	o->bytes -= p->len;
	free(p);
}

void outbox_clear(struct outbox *o)
{
	while (!outbox_empty(o))
		remove_oldest(o);
}

bool outbox_empty(const struct outbox *o)
{
	return STAILQ_EMPTY(&o->queue);
}

void outbox_put(struct outbox *o, const struct qenvelope *env)
{
	size_t len = wire_size(WIRE(qenvelope), env);
	struct parcel *p = xcalloc(1, sizeof(*p) + len);

	p->len = len;
	must(len > 0 && wire_encode_into(WIRE(qenvelope), env, p->data, len) == len);
	while (!outbox_empty(o) && o->bytes + len > o->bytes_max) {
		remove_oldest(o);
		o->dropped++;
	}
	STAILQ_INSERT_TAIL(&o->queue, p, next);
	o->bytes += len;
}

/*
 * XDR writes a variable array as its count (32 bits, big endian) and then the elements one after the
 * other, so the frame is put together from envelopes that are encoded already.
 */
unsigned outbox_take(struct outbox *o, struct bytes *frame)
{
	uint32_t cnt = 0;
	size_t len = sizeof(cnt);
	must(!outbox_empty(o));
	for (struct parcel *p = STAILQ_FIRST(&o->queue); p != NULL; p = STAILQ_NEXT(p, next)) {
		if (cnt == Q_FRAME_ENVS_MAX || (cnt > 0 && len + p->len > OUTBOX_FRAME_BYTES))
			break;
		cnt++;
		len += p->len;
	}
	must(len <= Q_FRAME_MAX);
	*frame = (struct bytes){.data = xcalloc(1, len), .len = len};

	uint32_t count = htonl(cnt);
	memcpy(frame->data, &count, sizeof(count));
	for (size_t at = sizeof(count); at < len;) {
		const struct parcel *p = STAILQ_FIRST(&o->queue);
		memcpy(frame->data + at, p->data, p->len);
		at += p->len;
		remove_oldest(o);
	}
	return cnt;
}
