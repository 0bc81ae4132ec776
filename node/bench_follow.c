/*
 * bench_follow.c: what is final, and what view the nodes are in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "bench_impl.h"

enum {
	WAIT_MS = 500,     /* for a block, by one question */
	NAP_MS = 50,       /* after a node that does not answer */
	STALL_US = 300000, /* no block for so long: is there another view? */
	WATCH_MS = 50,
	WATCH_TIMEOUT_MS = 500,
};

/* ---- blocks ------------------------------------------------------------------------------------- */

/* Is this the first node to show a block of this height?  Then it stands in run->block from now on. */
static bool note_block(struct run *run, uint64_t height, uint64_t now_us)
{
	size_t at = (size_t)(height - run->first_height);
	pthread_mutex_lock(&run->lock);
	if (at >= run->block_cap) {
		size_t cap = 2 * at + 64;
		run->block = xrealloc(run->block, cap * sizeof *run->block);
		memset(run->block + run->block_cap, 0, (cap - run->block_cap) * sizeof *run->block);
		run->block_cap = cap;
	}
	bool first = run->block[at].at_us == 0;
	if (first)
		run->block[at].at_us = now_us;
	if (at >= run->block_cnt)
		run->block_cnt = at + 1;
	pthread_mutex_unlock(&run->lock);
	return first;
}

/* A payment in a block: is it this follower's to say that it is final, and the first time? */
static bool settle(struct run *run, const struct run_node *node, uint32_t payment, uint64_t height,
                   uint64_t now_us, struct submitter **owner)
{
	struct fate *fate = &run->fate[payment];
	unsigned none = 0;
	if (!atomic_compare_exchange_strong(&fate->height, &none, (unsigned)height) &&
	    none != (unsigned)height)
		atomic_fetch_add(&run->twice, 1);
	*owner = &run->submitter[load_submitter_of(run->load, payment)];
	if (fate->final_us > 0 || (!run->plan.one_follower && (*owner)->node != node->index))
		return false;
	fate->final_us = (uint32_t)now_us;
	return true;
}

static void take_block(struct run *run, const struct run_node *node, uint64_t height, const uint8_t *ids,
                       size_t cnt)
{
	uint64_t now_us = run_now_us(run);
	bool first = note_block(run, height, now_us);
	uint32_t ours = 0, final = 0;
	int *gone = xcalloc(run->load->submitters, sizeof *gone);
	for (size_t i = 0; i < cnt; i++) {
		struct submitter *owner;
		uint32_t payment = load_find(run->load, ids + 32 * i);
		if (payment == UINT32_MAX)
			continue;
		ours++;
		if (!settle(run, node, payment, height, now_us, &owner))
			continue;
		final++;
		if (atomic_fetch_or(&run->fate[payment].state, IS_FINAL) & WAS_ACCEPTED)
			gone[owner->index]++;
	}
	atomic_fetch_add(&run->final, final);
	pthread_mutex_lock(&run->lock);
	if (first)
		run->block[height - run->first_height].payments = ours;
	for (unsigned u = 0; u < run->load->submitters; u++) {
		atomic_fetch_sub(&run->submitter[u].in_flight, gone[u]);
		if (gone[u] > 0)
			pthread_cond_signal(&run->submitter[u].news);
	}
	pthread_mutex_unlock(&run->lock);
	free(gone);
	if (first)
		atomic_store(&run->last_block_us, now_us);
}

static struct http_client *dial(const struct run *run, unsigned node, unsigned timeout_ms)
{
	struct err err = {0};
	struct http_client *c = http_client_new(run->chain->node[node].url, timeout_ms, &err);
	must(c != NULL); /* its URL was used before */
	return c;
}

static void *follow(void *arg)
{
	struct run_node *node = arg;
	struct run *run = node->run;
	struct http_client *c = dial(run, node->index, ACCESS_TIMEOUT_MS);
	pthread_setname_np(pthread_self(), "bench-follow");
	http_client_accept(c, "application/octet-stream");
	for (uint64_t height = run->first_height; !atomic_load(&run->over);) {
		char path[96], *ids;
		size_t len;
		int status;
		snprintf(path, sizeof path, "/v1/blocks/%llu/transactions?wait=%d",
		         (unsigned long long)height, WAIT_MS);
		if (!http_call(c, path, NULL, NULL, 0, &status, &ids, &len, NULL)) {
			atomic_fetch_add(&node->gone, 1);
			access_nap_ms(NAP_MS);
			continue;
		}
		atomic_store(&node->answered_us, run_now_us(run));
		if (status == 200 && len % 32 == 0)
			take_block(run, node, height++, (const uint8_t *)ids, len / 32);
		else if (status != 404) /* which is: not within the time */
			access_nap_ms(NAP_MS);
		free(ids);
		atomic_fetch_add(&run->http_bytes, len);
	}
	http_client_free(c);
	return NULL;
}

/* ---- views -------------------------------------------------------------------------------------- */

/* Nodes are asked only while no block comes: asking costs them time, and a change of views costs blocks. */
static void *watch(void *arg)
{
	struct run *run = arg;
	struct http_client *c[CMD_NODES_MAX] = {NULL};
	pthread_setname_np(pthread_self(), "bench-watch");
	for (unsigned i = 0; i < run->chain->cnt; i++)
		c[i] = dial(run, i, WATCH_TIMEOUT_MS);
	while (!atomic_load(&run->over)) {
		access_nap_ms(WATCH_MS);
		if (run_now_us(run) < atomic_load(&run->last_block_us) + STALL_US)
			continue;
		for (unsigned i = 0; i < run->chain->cnt && !atomic_load(&run->over); i++) {
			struct look_node look;
			if (!look_node(c[i], &look, NULL) || look.view <= run->view)
				continue;
			run->view = look.view; /* written by this thread alone from now on */
			run_event(run, (struct bench_event){.kind = BENCH_VIEW, .view = look.view});
		}
	}
	for (unsigned i = 0; i < run->chain->cnt; i++)
		http_client_free(c[i]);
	return NULL;
}

/* ---- threads ------------------------------------------------------------------------------------ */

static unsigned followers(const struct run *run)
{
	return run->plan.one_follower ? 1 : run->chain->cnt;
}

uint64_t follow_answered_us(const struct run *run)
{
	uint64_t last = 0;
	for (unsigned i = 0; i < followers(run); i++) {
		uint64_t at = atomic_load(&run->node[i].answered_us);
		last = at > last ? at : last;
	}
	return last;
}

bool follow_start(struct run *run, struct err *err)
{
	for (unsigned i = 0; i < run->chain->cnt; i++) {
		struct look_node look;
		struct http_client *c = dial(run, i, ACCESS_TIMEOUT_MS);
		bool ok = look_node(c, &look, err);
		http_client_free(c);
		if (!ok)
			return false;
		if (i == 0 || look.height + 1 < run->first_height)
			run->first_height = look.height + 1;
		if (look.view > run->view)
			run->view = look.view;
	}
	for (unsigned i = 0; i < run->chain->cnt; i++) {
		run->node[i].run = run;
		run->node[i].index = i;
	}
	for (unsigned i = 0; i < followers(run); i++)
		must(pthread_create(&run->node[i].follower, NULL, follow, &run->node[i]) == 0);
	must(pthread_create(&run->watcher, NULL, watch, run) == 0);
	return true;
}

void follow_join(struct run *run)
{
	for (unsigned i = 0; i < followers(run); i++)
		pthread_join(run->node[i].follower, NULL);
	pthread_join(run->watcher, NULL);
}
