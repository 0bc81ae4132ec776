/*
 * fair.c: a queue that takes turns among its sources.
 */
#include "fair.h"

#include "err.h"

void fair_init(struct fair *f, unsigned sources, size_t items_max, size_t bytes_max)
{
	must(sources > 0 && sources <= Q_REPLICAS_MAX);
	*f = (struct fair){.sources = sources, .items_max = items_max, .bytes_max = bytes_max};
	for (unsigned i = 0; i < sources; i++)
		f->queue[i].last = &f->queue[i].first;
}

bool fair_put(struct fair *f, unsigned source, struct fair_item *item)
{
	must(source < f->sources);
	struct fair_queue *q = &f->queue[source];
	if (q->items > 0 && (q->items >= f->items_max || q->bytes + item->bytes > f->bytes_max))
		return false;
	item->next = NULL;
	*q->last = item;
	q->last = &item->next;
	q->items++;
	q->bytes += item->bytes;
	f->cnt++;
	return true;
}

struct fair_item *fair_take(struct fair *f)
{
	if (f->cnt == 0)
		return NULL;
	for (unsigned i = 0; i < f->sources; i++) {
		struct fair_queue *q = &f->queue[(f->turn + i) % f->sources];
		struct fair_item *item = q->first;
		if (item == NULL)
			continue;
		q->first = item->next;
		if (q->first == NULL)
			q->last = &q->first;
		q->items--;
		q->bytes -= item->bytes;
		f->cnt--;
		f->turn = (f->turn + i + 1) % f->sources;
		return item;
	}
	return NULL;
}

size_t fair_bytes(const struct fair *f)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < f->sources; i++)
		bytes += f->queue[i].bytes;
	return bytes;
}
