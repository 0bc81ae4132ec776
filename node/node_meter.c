/*
 * node_meter.c: what the node measures of itself, for GET /metrics (api_metrics.c).
 *
 * On the replica's thread each block, each commit and each payment of an own client costs a look at the clock
 * or two.
 * Everything else is read when somebody asks.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node_impl.h"

#define PAYMENT_LOST_US ((uint64_t)600 * 1000000) /* its end was not told: the place is free again */

/* ---- on the replica's thread ------------------------------------------------------------- */

/* The first sight counts: what is proposed again after a view change has been waited for since then. */
void meter_seen(void *ctx, struct qheight height)
{
	struct meters *m = &((struct node *)ctx)->meters;
	struct sight *s = &m->seen[height.n % SIGHTS_MAX];
	if (s->height.n != height.n)
		*s = (struct sight){height, meter_now_us()};
}

void meter_executed(struct node *n, struct block *const *blocks, size_t cnt)
{
	struct meters *m = &n->meters;
	uint64_t now_us = meter_now_us();
	for (size_t i = 0; i < cnt; i++) {
		struct qheight height = blocks[i]->header.height;
		const struct sight *s = &m->seen[height.n % SIGHTS_MAX];
		if (s->height.n == height.n)
			meter_observe(&m->agreed, now_us - s->at_us);
	}
}

static struct admitted *place_of(struct meters *m, const struct qtxid *id, uint64_t *key)
{
	memcpy(key, id->b, sizeof *key);
	return &m->payments[*key % PAYMENTS_MAX];
}

/* Who finds a place taken is not measured: which those are is no matter of how long they take. */
void meter_admitted(struct node *n, const struct qtxid *id)
{
	uint64_t key, now_us = meter_now_us();
	struct admitted *p = place_of(&n->meters, id, &key);
	if (p->at_us == 0 || now_us - p->at_us > PAYMENT_LOST_US)
		*p = (struct admitted){key, now_us};
}

void meter_settled(struct node *n, const struct qtxid *id, bool final)
{
	uint64_t key;
	struct admitted *p = place_of(&n->meters, id, &key);
	if (p->at_us == 0 || p->id != key)
		return;
	if (final)
		meter_observe(&n->meters.settled, meter_now_us() - p->at_us);
	p->at_us = 0;
}

void meter_committing(void *ctx, enum replica_store store, bool begins)
{
	struct meters *m = &((struct node *)ctx)->meters;
	if (begins)
		m->begun_us = meter_now_us();
	else
		meter_observe(&m->commit[store], meter_now_us() - m->begun_us);
}

/* ---- for who asks -------------------------------------------------------------------------- */

/* Under the inbox's lock. */
static void read_inbox(struct node *n, struct node_numbers *out)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < OPEN_VERDICT_CNT; i++)
		out->refused[i] = n->complaints[i].cnt;
	for (unsigned i = 0; i < TXS_FAULT_CNT; i++)
		out->faulty[i] = n->faults[i].cnt;
	for (unsigned i = 0; i < n->genesis->n; i++)
		out->dropped[i] = n->floods[i].cnt;
	out->inbox[0] = (struct work_load){n->votes.cnt, fair_bytes(&n->votes)};
	out->inbox[1] =
	    (struct work_load){n->wanted.cnt + n->bulk.cnt, fair_bytes(&n->wanted) + fair_bytes(&n->bulk)};
	pthread_mutex_unlock(&n->lock);
}

static void read_disk(const struct node *n, struct node_numbers *out)
{
	struct statvfs disk;
	if (statvfs(n->home.ledger, &disk) != 0)
		return;                                           /* 0 of 0 bytes */
	out->disk_free = (uint64_t)disk.f_bavail * disk.f_frsize; /* what is left for who is not root */
	out->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
}

static unsigned open_files(void)
{
	unsigned cnt = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	for (const struct dirent *d; (d = readdir(dir)) != NULL;)
		cnt += d->d_name[0] != '.';
	closedir(dir);
	return cnt - 1; /* the directory's own */
}

/* The second number of the line: pages. */
static uint64_t resident_bytes(void)
{
	char line[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL)
		return 0;
	const char *at = fgets(line, sizeof line, f) != NULL ? strchr(line, ' ') : NULL;
	(void)fclose(f);
	return at == NULL ? 0 : strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void read_process(const struct node *n, struct node_numbers *out)
{
	struct rusage used = {0};
	struct rlimit files = {0};
	(void)getrusage(RUSAGE_SELF, &used);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	out->process.started_ms = n->meters.started_ms;
	out->process.cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
	out->process.resident_bytes = resident_bytes();
	out->process.open_files = open_files();
	out->process.open_files_max = files.rlim_cur;
}

void node_numbers(struct node *n, struct node_numbers *out)
{
	*out = (struct node_numbers){.pool_room = replica_room(n->replica)};
	meter_read(&n->meters.agreed, &out->agreed);
	meter_read(&n->meters.settled, &out->settled);
	for (unsigned i = 0; i < STORE_CNT; i++)
		meter_read(&n->meters.commit[i], &out->commit[i]);
	work_load(n->work, out->lanes);
	read_inbox(n, out);
	read_disk(n, out);
	read_process(n, out);
}
