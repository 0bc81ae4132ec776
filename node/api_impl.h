/*
 * api_impl.h: what the files of the HTTP interface share.
 */
#ifndef QUORATE_API_IMPL_H
#define QUORATE_API_IMPL_H

#include <jansson.h>

#include "http.h"
#include "node.h"

/* Takes the reference. */
void api_json(struct http_reply *reply, int status, json_t *json);
/* 503: the replica gave no answer in time, or the node is stopping. */
void api_busy(struct http_reply *reply);
/* 500: the ledger could not be read; says so in the log too. ERR_NO: api_busy(). */
void api_broken(struct http_reply *reply, const struct err *err);
/* 400 with *err's text. */
void api_bad(struct http_reply *reply, const struct err *err);

/* The number of a query parameter, `otherwise` if it is absent; false (400 is set) if it is no number up to
 * max. */
bool api_query(const struct http_request *r, struct http_reply *reply, const char *key, uint64_t max,
               uint64_t otherwise, uint64_t *out);

enum { API_WAIT_MAX_MS = 10000 };

static inline json_t *api_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}
json_t *api_hex(const uint8_t *data, size_t len);
#define API_HEX(field) api_hex((field).b, sizeof(field).b)
json_t *api_address(const struct qaddress *a);
/* Adds "lock" ("stake", "release", "frozen") and "replica" to an output that is locked. */
void api_lock(json_t *output, const struct qlock *lock);

/* 404: there is no block at this height. */
void api_no_block(struct node *n, struct qheight h, struct http_reply *reply);

/* Kind, height, view, block and who signed. */
json_t *api_certificate(const struct qcert *cert);

/* "prepare", "commit", "checkpoint": the votes of an offence. */
const char *api_vote(enum qkind kind);

/* api_agree.c: does the replica, which executed every block itself, hold the same of these outputs as the
 * ledger did after the block at `height`? */
enum agreed {
	AGREED,
	AGREED_NOT,   /* the ledger is damaged: *err */
	AGREED_MOVED, /* that is not the block that was executed last: try again, within AGREE_TRIES */
	AGREED_BUSY,  /* no answer: api_busy() */
};
#define AGREE_TRIES 3 /* then what the ledger says is good enough */
/* Takes the list. */
enum agreed api_agree(struct node *n, struct reader *reader, struct qheight height, struct output_said *list,
                      size_t cnt, struct err *err);

/* api_status.c */
void api_status(void *ctx, const struct http_request *r, struct http_reply *reply);
/* What GET /v1/status says; without the state's digest, which the replica's thread would have to make. NULL:
 * the node answers no more. */
json_t *api_status_json(struct node *n, bool digest);
void api_healthz(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_metrics.c */
void api_metrics(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_stakes.c */
void api_stakes(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_address.c */
void api_addresses(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_ids.c */
void api_block_ids(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_evidence.c */
void api_evidence_list(void *ctx, const struct http_request *r, struct http_reply *reply);
void api_evidence(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_tx.c */
void api_transaction(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_submit.c */
void api_submit(void *ctx, const struct http_request *r, struct http_reply *reply);
bool api_submit_full(void *ctx, const struct http_request *r,
                     struct http_reply *reply); /* http_route.refuse */

/* api_page.c */
void api_explorer(void *ctx, const struct http_request *r, struct http_reply *reply);
void api_openapi(void *ctx, const struct http_request *r, struct http_reply *reply);
void api_page(void *ctx, const struct http_request *r, struct http_reply *reply);
/* api_events.c */
void api_events(void *ctx, const struct http_request *r, struct http_reply *reply);

#endif
