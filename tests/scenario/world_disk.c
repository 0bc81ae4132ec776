/*
 * world_disk.c: the disk of a replica in a world.  What was put counts once it was synced; a crash keeps
 * just that.  The rules of the vote log (record.h) are checked: a vote is never replaced.  See world.h.
 */
#include "world.h"

static void records_free(struct wrecord *list, size_t cnt)
{
	for (size_t k = 0; k < cnt; k++)
		bytes_free(&list[k].data);
	free(list);
}

static void journal_free(struct bytes *list, size_t cnt)
{
	for (size_t k = 0; k < cnt; k++)
		bytes_free(&list[k]);
	free(list);
}

static struct bytes copy_bytes(const struct bytes *b)
{
	return (struct bytes){.data = xmemdup(b->data, b->len), .len = b->len};
}

void disk_stage(struct disk *d, const struct engine_output *o)
{
	if (o->kind == OUT_PERSIST) {
		d->staged = xrealloc(d->staged, (d->staged_cnt + 1) * sizeof *d->staged);
		d->staged[d->staged_cnt++] =
		    (struct wrecord){.key = o->record.key, .data = copy_bytes(&o->record.data)};
	} else if (o->kind == OUT_PERSIST_BLOCK) {
		d->staged_blocks =
		    xrealloc(d->staged_blocks, (d->staged_block_cnt + 1) * sizeof *d->staged_blocks);
		d->staged_blocks[d->staged_block_cnt++] = o->block.hash;
	} else if (o->kind == OUT_JOURNAL || o->kind == OUT_EVIDENCE) {
		d->staged_journal =
		    xrealloc(d->staged_journal, (d->staged_journal_cnt + 1) * sizeof *d->staged_journal);
		d->staged_journal[d->staged_journal_cnt++] = copy_bytes(&o->journal);
	}
}

static bool replaces(enum vote_record_kind kind)
{
	return kind == REC_PREPARED || kind == REC_TIP || kind == REC_MUTED || kind == REC_STABLE;
}

static struct wrecord *find(const struct disk *d, enum vote_record_kind kind, uint64_t view, uint64_t height)
{
	for (size_t k = 0; k < d->record_cnt; k++) {
		struct wrecord *r = &d->records[k];
		if (r->key.kind == kind && r->key.view.n == view && r->key.height.n == height)
			return r;
	}
	return NULL;
}

const struct wrecord *disk_find(const struct disk *d, enum vote_record_kind kind, uint64_t view,
                                uint64_t height)
{
	return find(d, kind, view, height);
}

static void drop_records(struct disk *d, enum vote_record_kind kind, uint64_t below_view)
{
	size_t kept = 0;
	for (size_t k = 0; k < d->record_cnt; k++) {
		if (d->records[k].key.kind == kind && d->records[k].key.view.n < below_view)
			bytes_free(&d->records[k].data);
		else
			d->records[kept++] = d->records[k];
	}
	d->record_cnt = kept;
}

void disk_lose(struct disk *d, enum vote_record_kind kind)
{
	drop_records(d, kind, UINT64_MAX);
}

static void put_record(struct disk *d, struct wrecord *r, const char **contradiction) /* takes r->data */
{
	struct wrecord *old = find(d, r->key.kind, r->key.view.n, r->key.height.n);
	bool newest_only = r->key.kind == REC_VIEW_CHANGE || r->key.kind == REC_NEW_VIEW;
	if (!old) {
		if (newest_only)
			drop_records(d, r->key.kind, r->key.view.n);
		for (size_t k = 0; newest_only && k < d->record_cnt; k++)
			if (d->records[k].key.kind == r->key.kind)
				*contradiction = "a record of an older view after one of a newer view";
		d->records = xrealloc(d->records, (d->record_cnt + 1) * sizeof *d->records);
		d->records[d->record_cnt++] = *r;
		return;
	}
	bool same = old->data.len == r->data.len && memcmp(old->data.data, r->data.data, r->data.len) == 0;
	if (!same && !replaces(r->key.kind))
		*contradiction = "a second, different record under one key";
	bytes_free(&old->data);
	old->data = r->data;
}

static void put_journal(struct disk *d, struct bytes *entry) /* takes it */
{
	struct qjournal j;
	must(wire_decode(WIRE(qjournal), entry->data, entry->len, &j));
	if (j.kind == QJ_STABLE) {
		if (d->has_stable)
			wire_free(WIRE(qcert), &d->stable);
		d->has_stable = true;
		cert_copy(&d->stable, &j.qjournal_u.stable);
	}
	wire_free(WIRE(qjournal), &j);
	d->journal = xrealloc(d->journal, (d->journal_cnt + 1) * sizeof *d->journal);
	d->journal[d->journal_cnt++] = *entry;
}

bool disk_has_block(const struct disk *d, const struct qhash *hash)
{
	for (size_t k = 0; k < d->block_cnt; k++)
		if (qhash_eq(&d->blocks[k], hash))
			return true;
	return false;
}

void disk_sync(struct disk *d, const char **contradiction)
{
	for (size_t k = 0; k < d->staged_cnt; k++)
		put_record(d, &d->staged[k], contradiction);
	for (size_t k = 0; k < d->staged_block_cnt; k++) {
		if (disk_has_block(d, &d->staged_blocks[k]))
			continue;
		d->blocks = xrealloc(d->blocks, (d->block_cnt + 1) * sizeof *d->blocks);
		d->blocks[d->block_cnt++] = d->staged_blocks[k];
	}
	for (size_t k = 0; k < d->staged_journal_cnt; k++)
		put_journal(d, &d->staged_journal[k]);
	d->staged_cnt = d->staged_block_cnt = d->staged_journal_cnt = 0;
}

void disk_crash(struct disk *d)
{
	for (size_t k = 0; k < d->staged_cnt; k++)
		bytes_free(&d->staged[k].data);
	for (size_t k = 0; k < d->staged_journal_cnt; k++)
		bytes_free(&d->staged_journal[k]);
	d->staged_cnt = d->staged_block_cnt = d->staged_journal_cnt = 0;
}

/* As a node prunes: votes at or below both the stable checkpoint and the executed height. */
void disk_prune(struct disk *d)
{
	uint64_t stable = d->has_stable ? d->stable.vote.height.n : 0;
	uint64_t upto = stable < d->height ? stable : d->height;
	size_t kept = 0;
	for (size_t k = 0; k < d->record_cnt; k++) {
		const struct vote_record *key = &d->records[k].key;
		if (key->kind <= REC_PREPARED && key->height.n <= upto)
			bytes_free(&d->records[k].data);
		else
			d->records[kept++] = d->records[k];
	}
	d->record_cnt = kept;
}

void disk_free(struct disk *d)
{
	disk_crash(d);
	free(d->staged);
	free(d->staged_blocks);
	free(d->staged_journal);
	records_free(d->records, d->record_cnt);
	journal_free(d->journal, d->journal_cnt);
	free(d->blocks);
	if (d->has_stable)
		wire_free(WIRE(qcert), &d->stable);
	for (uint64_t h = 1; h <= d->height; h++)
		if (d->executed[h].has_cert)
			wire_free(WIRE(qcert), &d->executed[h].cert);
}
