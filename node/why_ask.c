/*
 * why_ask.c: see why_ask.h. All that it is told is bounded and taken with care: a node may say what it likes.
 */
#include "why_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "clock.h"

enum { ASK_MS = 2000 }; /* for one answer: who is not there is part of the diagnosis */

static uint64_t number(const json_t *object, const char *key, uint64_t otherwise)
{
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : otherwise;
}

static void copy_text(char *to, size_t cap, const json_t *from)
{
	snprintf(to, cap, "%s", json_is_string(from) ? json_string_value(from) : "");
}

/* Its clock when it answered, by its word, less ours in the middle of the question. */
static int64_t clock_offset(const json_t *status, uint64_t asked_ms, uint64_t answered_ms)
{
	uint64_t here = asked_ms + (answered_ms - asked_ms) / 2, there = number(status, "now_ms", here);
	return (int64_t)(there - here);
}

static void read_peers(const json_t *peers, struct why_node *n)
{
	size_t i;
	const json_t *peer;
	json_array_foreach((json_t *)peers, i, peer)
	{
		uint64_t index = number(peer, "index", Q_REPLICAS_MAX);
		if (index >= Q_REPLICAS_MAX)
			continue;
		n->peer[index] = (struct why_peer){
		    .connected = json_is_true(json_object_get(peer, "connected")),
		    .heard = json_is_integer(json_object_get(peer, "height")),
		    .height = number(peer, "height", 0),
		    .silent_ms = number(peer, "silent_ms", 0),
		};
		copy_text(n->peer[index].trouble, sizeof n->peer[index].trouble,
		          json_object_get(peer, "trouble"));
		copy_text(n->peer[index].because, sizeof n->peer[index].because,
		          json_object_get(peer, "why"));
	}
}

static struct client *client_of(const char *url, struct err *err)
{
	return client_new(&url, 1, ASK_MS, err);
}

void why_ask(const char *url, struct why_node *n)
{
	struct err err = {0};
	struct client *c = client_of(url, &err);
	uint64_t asked_ms = clock_ms(CLOCK_REALTIME);
	json_t *s = c == NULL ? NULL : client_get(c, "/v1/status", &err);
	*n = (struct why_node){.url = url, .disk_free = UINT64_MAX};
	const char *chain = json_string_value(json_object_get(s, "chain"));
	n->answers = chain != NULL && hex_decode(n->chain.b, sizeof n->chain.b, chain) &&
	             json_is_integer(json_object_get(s, "replica"));
	if (s != NULL && !n->answers)
		err_set(&err, ERR_WORLD, "%.150s answers, but not as a node does", url);
	snprintf(n->silence, sizeof n->silence, "%.255s", n->answers ? "" : err.text);
	if (n->answers) {
		uint64_t replica = number(s, "replica", Q_REPLICAS_MAX);
		n->replica = replica < Q_REPLICAS_MAX ? (unsigned)replica : Q_REPLICAS_MAX;
		n->height = number(s, "height", 0);
		n->certified = number(s, "certified", 0);
		n->stable = number(s, "stable", 0);
		n->view = number(s, "view", 0);
		n->waiting = number(s, "mempool", 0);
		n->active = !json_is_false(json_object_get(s, "active"));
		n->started_ms = number(s, "started_ms", 0);
		n->timer_ms = number(s, "timer_ms", UINT64_MAX);
		n->disk_free = number(s, "disk_free_bytes", UINT64_MAX);
		n->clock_ms = clock_offset(s, asked_ms, clock_ms(CLOCK_REALTIME));
		copy_text(n->muted, sizeof n->muted, json_object_get(s, "muted"));
		read_peers(json_object_get(s, "peers"), n);
	}
	json_decref(s);
	client_free(c);
}

struct genesis *why_ask_genesis(const char *url, struct err *err)
{
	struct client *c = client_of(url, err);
	json_t *json = c == NULL ? NULL : client_get(c, "/v1/genesis", err);
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
	struct genesis *g = text == NULL ? NULL : genesis_parse(text, strlen(text), err);
	if (text != NULL && g == NULL)
		err_prefix(err, "%s: its genesis", url);
	free(text);
	json_decref(json);
	client_free(c);
	return g;
}
