/*
 * outbox.c: what waits for one peer. After: peer.c sends the frames that outbox_take() makes.
 */
#include "outbox.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "err.h"

struct parcel {
	STAILQ_ENTRY(parcel) next;
	struct posting *posting; /* a reference */
};

struct posting *posting_new(const struct qenvelope *env)
{
	size_t len = wire_size(WIRE(qenvelope), env);
	struct posting *p = xcalloc(1, sizeof(*p) + len);

	atomic_init(&p->refs, 1);
	p->len = len;
	must(len > 0 && wire_encode_into(WIRE(qenvelope), env, p->data, len) == len);
	return p;
}

void posting_unref(struct posting *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

void outbox_init(struct outbox *o, size_t bytes_max)
{
	*o = (struct outbox){.bytes_max = bytes_max};
	STAILQ_INIT(&o->queue);
}

static void remove_oldest(struct outbox *o)
{
	struct parcel *p = STAILQ_FIRST(&o->queue);

	STAILQ_REMOVE_HEAD(&o->queue, next);
	o->bytes -= p->posting->len;
	posting_unref(p->posting);
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

void outbox_put(struct outbox *o, struct posting *posting)
{
	struct parcel *p = xcalloc(1, sizeof(*p));

	atomic_fetch_add(&posting->refs, 1);
	p->posting = posting;
	while (!outbox_empty(o) && o->bytes + posting->len > o->bytes_max) {
		remove_oldest(o);
		o->dropped++;
	}
	STAILQ_INSERT_TAIL(&o->queue, p, next);
	o->bytes += posting->len;
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
		if (cnt == Q_FRAME_ENVS_MAX || (cnt > 0 && len + p->posting->len > OUTBOX_FRAME_BYTES))
			break;
		cnt++;
		len += p->posting->len;
	}
	must(len <= Q_FRAME_MAX);
	*frame = (struct bytes){.data = xcalloc(1, len), .len = len};

	uint32_t count = htonl(cnt);
	memcpy(frame->data, &count, sizeof(count));
	for (size_t at = sizeof(count); at < len;) {
		const struct posting *p = STAILQ_FIRST(&o->queue)->posting;
		memcpy(frame->data + at, p->data, p->len);
		at += p->len;
		remove_oldest(o);
	}
	return cnt;
}
