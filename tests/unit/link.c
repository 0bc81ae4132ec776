/*
 * link.c: links between replicas on loopback: coalescing, bounds, hostile connections, restarts.
 * Links: q_link
 */
#include "links.h"

/* ---- the outbox ---------------------------------------------------------------------- */

static void put(struct outbox *o, const struct qenvelope *env)
{
	struct posting *p = posting_new(env);

	outbox_put(o, p);
	posting_unref(p);
}

static void frame_of_queued_envelopes_equals_the_schema(void **state)
{
	struct qenvelope envs[3] = {envelope(0, 0), envelope(1, 5), envelope(2, 4000)};
	struct qframe frame = {.envelopes = {.envelopes_len = 3, .envelopes_val = envs}};
	struct bytes got, wanted;
	struct outbox o;

	(void)state;
	outbox_init(&o, OUTBOX);
	for (int i = 0; i < 3; i++)
		put(&o, &envs[i]);
	assert_int_equal(outbox_take(&o, &got), 3);
	assert_true(outbox_empty(&o));
	assert_int_equal(o.bytes, 0);
	assert_true(wire_encode(WIRE(qframe), &frame, &wanted));
	assert_int_equal(got.len, wanted.len);
	assert_memory_equal(got.data, wanted.data, got.len);
	bytes_free(&got);
	bytes_free(&wanted);
}

static void frame_holds_a_bounded_number_of_envelopes(void **state)
{
	struct qenvelope env = envelope(0, 1);
	struct bytes frame;
	struct outbox o;

	(void)state;
	outbox_init(&o, OUTBOX);
	for (int i = 0; i < Q_FRAME_ENVS_MAX + 1; i++)
		put(&o, &env);
	assert_int_equal(outbox_take(&o, &frame), Q_FRAME_ENVS_MAX);
	bytes_free(&frame);
	assert_int_equal(outbox_take(&o, &frame), 1);
	bytes_free(&frame);
}

static void frame_holds_about_a_mebibyte_or_one_bigger_envelope(void **state)
{
	struct qenvelope small = envelope(0, OUTBOX_FRAME_BYTES / 2), big = envelope(1, Q_BODY_MAX);
	struct bytes frame;
	struct outbox o;

	(void)state;
	outbox_init(&o, 4 * (size_t)Q_BODY_MAX);
	put(&o, &small);
	put(&o, &small);
	put(&o, &big);
	put(&o, &small);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(outbox_take(&o, &frame), 1);
		assert_true(frame.len <= (i == 2 ? Q_FRAME_MAX : OUTBOX_FRAME_BYTES));
		bytes_free(&frame);
	}
	assert_true(outbox_empty(&o));
}

static void full_outbox_drops_the_oldest_and_counts(void **state)
{
	size_t each = wire_size(WIRE(qenvelope), &(struct qenvelope){.body.body_len = 0}) + 100;
	struct bytes frame;
	struct qframe got;
	struct outbox o;

	(void)state;
	outbox_init(&o, 3 * each);
	for (unsigned i = 0; i < 5; i++) {
		struct qenvelope env = envelope(i, 100);
		put(&o, &env);
	}
	assert_int_equal(o.dropped, 2);
	assert_int_equal(o.bytes, 3 * each);
	assert_int_equal(outbox_take(&o, &frame), 3);
	assert_true(wire_decode(WIRE(qframe), frame.data, frame.len, &got));
	assert_int_equal(got.envelopes.envelopes_val[0].sender, 2);
	assert_int_equal(got.envelopes.envelopes_val[2].sender, 4);
	wire_free(WIRE(qframe), &got);
	bytes_free(&frame);

	struct qenvelope big = envelope(6, 4 * each);
	put(&o, &big); /* bigger than the bound: kept, alone */
	put(&o, &big);
	assert_int_equal(o.dropped, 3);
	outbox_clear(&o);
}

/* ---- links --------------------------------------------------------------------------- */

static void two_links_exchange_envelopes(void **state)
{
	struct link_stats stats;

	(void)state;
	start(0, 2);
	start(1, 2);
	send_one(0, 1);
	send_one(1, 0);
	inbox_wait(inbox[1], &inbox[1]->envelopes, 1);
	inbox_wait(inbox[0], &inbox[0]->envelopes, 1);
	link_stats(node[0], 1, &stats);
	assert_true(stats.connected);
	assert_int_equal(stats.sent_envelopes, 1);
	assert_int_equal(stats.sent_frames, 1);
	assert_int_equal(stats.dropped_envelopes, 0);
	assert_int_equal(stats.outbox_bytes, 0);
}

static void four_links_exchange_envelopes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		start(i, 4);
	for (unsigned from = 0; from < 4; from++)
		for (unsigned to = 0; to < 4; to++)
			if (from != to)
				send_one(from, to);
	for (unsigned i = 0; i < 4; i++) {
		inbox_wait(inbox[i], &inbox[i]->envelopes, 3);
		for (unsigned from = 0; from < 4; from++)
			assert_int_equal(inbox[i]->from_of[from], from != i);
	}
}

static void biggest_envelope_passes(void **state)
{
	struct qenvelope big = envelope(0, Q_BODY_MAX);

	(void)state;
	start(0, 2);
	start(1, 2);
	link_send(node[0], 1 << 1, &big);
	link_flush(node[0]);
	inbox_wait(inbox[1], &inbox[1]->envelopes, 1);
}

static void envelopes_that_wait_travel_together(void **state)
{
	struct link_stats stats;

	(void)state;
	start(0, 2);
	for (int i = 0; i < 500; i++) /* nobody listens yet */
		send_one(0, 1);
	start(1, 2);
	inbox_wait(inbox[1], &inbox[1]->envelopes, 500);
	assert_int_equal(inbox[1]->frames, 1);
	link_stats(node[0], 1, &stats);
	assert_int_equal(stats.sent_envelopes, 500);
	assert_int_equal(stats.sent_frames, 1);
}

static void peer_that_is_away_costs_a_bounded_outbox(void **state)
{
	struct qenvelope env = envelope(0, OUTBOX / 10);
	struct link_stats stats;

	(void)state;
	start(0, 2);
	for (int i = 0; i < 25; i++)
		link_send(node[0], 1 << 1, &env);
	link_stats(node[0], 1, &stats);
	assert_false(stats.connected);
	assert_true(stats.outbox_bytes <= OUTBOX);
	assert_int_equal(stats.dropped_envelopes, 16); /* a tenth and a header: nine fit */
}

static void peer_that_does_not_read_stops_the_sender_only(void **state)
{
	struct link_stats stats;

	(void)state;
	inbox[1]->held = true;
	start(0, 3);
	start(1, 3);
	start(2, 3);
	for (unsigned i = 0; i < 200; i++) {
		struct qenvelope env = envelope(0, OUTBOX / 2);
		link_send(node[0], 1 << 1, &env);
		link_flush(node[0]);
	}
	send_one(0, 2);
	inbox_wait(inbox[2], &inbox[2]->envelopes, 1); /* unaffected */
	link_stats(node[0], 1, &stats);
	assert_true(stats.outbox_bytes <= OUTBOX);

	pthread_mutex_lock(&inbox[1]->mutex);
	inbox[1]->held = false;
	pthread_cond_broadcast(&inbox[1]->cond);
	pthread_mutex_unlock(&inbox[1]->mutex);
	send_one(2, 1);
	inbox_wait(inbox[1], &inbox[1]->from_of[2], 1);
}

static void slowed_pipe_delivers_all_and_ends_when_it_must(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		start(i, 3);
	pthread_mutex_lock(&inbox[0]->mutex);
	inbox[0]->slow = node[0];
	pthread_mutex_unlock(&inbox[0]->mutex);
	for (unsigned i = 1; i <= 4; i++) {
		send_one(1, 0);
		inbox_wait(inbox[0], &inbox[0]->from_of[1], i);
	}
	send_one(2, 0); /* which nobody slows */
	inbox_wait(inbox[0], &inbox[0]->from_of[2], 1);
	link_slow(node[0], 12345); /* no such pipe: nothing happens */
	send_one(1, 0);
	inbox_wait(inbox[0], &inbox[0]->from_of[1], 5);
	stop(0); /* in the middle of a pause */
}

static void peer_that_restarts_is_found_again(void **state)
{
	(void)state;
	start(0, 2);
	start(1, 2);
	send_one(0, 1);
	inbox_wait(inbox[1], &inbox[1]->envelopes, 1);
	for (unsigned round = 0; round < 3; round++) {
		struct link_stats stats;

		stop(1);
		do /* it notices by itself, with nothing to send */
			link_stats(node[0], 1, &stats);
		while (stats.connected);
		send_one(0, 1);
		start(1, 2);
		inbox_wait(inbox[1], &inbox[1]->envelopes, 2 + round);
	}
}

/* ---- who does not fit -------------------------------------------------------------------- */

/* LK1: a node of the next version works with those of this one, and with others of its own. */
static void nodes_of_neighbouring_versions_work_together(void **state)
{
	const struct link_versions versions[4] = {{1, 1}, {1, 2}, {2, 3}, {1, 3}};
	const unsigned spoken[4][4] = {{0, 1, 0, 1}, {1, 0, 2, 2}, {0, 2, 0, 3}, {1, 2, 3, 0}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		hello_from[i].versions = versions[i];
		start(i, 4);
	}
	for (unsigned from = 0; from < 4; from++) {
		for (unsigned to = 0; to < 4; to++) {
			if (spoken[from][to] > 0) {
				send_one(from, to);
				inbox_wait(inbox[to], &inbox[to]->from_of[from], 1);
			}
			if (from == to)
				continue;
			struct link_stats stats = opinion(from, to);
			assert_int_equal(stats.version, spoken[from][to]);
			assert_int_equal(stats.connected, spoken[from][to] > 0);
			assert_int_equal(stats.trouble,
			                 spoken[from][to] > 0 ? LINK_FINE : LINK_OTHER_PROTOCOL);
		}
	}
	struct link_stats stats = opinion(0, 2);
	assert_non_null(strstr(stats.why, "speaks protocol 2 to 3"));
	assert_non_null(strstr(stats.why, "1 to 1; upgrade this node"));
}

/* LK2, LK3: both sides know why, and talk to the others as before. */
static void replica_of_another_chain_is_named_and_harms_no_other(void **state)
{
	const struct link_part mine = {"params", {{1}}}, its = {"params", {{2}}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		hello_from[i] = (struct link_hello){
		    .chain = {{i == 2 ? 0xbb : 0xaa}}, .part_cnt = 1, .parts = i == 2 ? &its : &mine};
		start(i, 3);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct link_stats stats = opinion(i, 2);
		assert_int_equal(stats.trouble, LINK_OTHER_CHAIN);
		assert_false(stats.connected);
		assert_non_null(strstr(stats.why, "what differs: params"));
		assert_int_equal(opinion(2, i).trouble, LINK_OTHER_CHAIN);
	}
	send_one(2, 0);
	send_one(0, 1);
	send_one(1, 0);
	inbox_wait(inbox[1], &inbox[1]->from_of[0], 1);
	inbox_wait(inbox[0], &inbox[0]->from_of[1], 1);
	assert_int_equal(inbox_read(inbox[0], &inbox[0]->from_of[2]), 0);
}

/* LK2: what a stranger says of itself when it calls is held against nobody else. */
static void callers_lies_are_not_believed(void **state)
{
	(void)state;
	start(0, 2);
	start(1, 2);
	send_one(0, 1);
	inbox_wait(inbox[1], &inbox[1]->envelopes, 1);
	for (int i = 0; i < 3; i++) {
		uint8_t bytes[HELLO_BYTES_MAX];
		struct qhello lie = hello_of(&(struct qhash){{i == 0}}, 1);
		int fd = raw_connect(port_of[0]);

		lie.lowest = lie.highest = i == 1 ? 99 : lie.lowest;
		lie.replica = i == 2 ? 77 : 1;
		raw_send(fd, bytes, hello_bytes(bytes, PUSH, &lie));
		if (i < 2)
			raw_wait_closed(fd);
		else
			close(fd);
	}
	struct link_stats stats;
	link_stats(node[0], 1, &stats);
	assert_true(stats.connected);
	assert_int_equal(stats.trouble, LINK_FINE);
	assert_int_equal(stats.said.replica, 1);
	assert_int_equal(link_rejected(node[0]), 2);
	assert_reaches(1, 0);
	assert_reaches(0, 1);
}

/* LK2: nor does it fill the log, though two are never refused in the same words one after the other. */
static void refused_callers_are_told_of_now_and_then(void **state)
{
	(void)state;
	start(0, 2);
	refusals_told = 0;
	for (unsigned i = 0; i < 20; i++) {
		uint8_t bytes[HELLO_BYTES_MAX];
		struct qhello lie = hello_of(&(struct qhash){{1, (uint8_t)i}}, i % 2 == 0 ? 1 : 1000 + i);
		int fd = raw_connect(port_of[0]);

		raw_send(fd, bytes, hello_bytes(bytes, PUSH, &lie));
		raw_wait_closed(fd);
	}
	assert_int_equal(refusals_told, 2); /* who says it is 1, and who is nobody */
}

/* LK4 */
static void address_of_another_replica_is_named(void **state)
{
	(void)state;
	start(2, 3);
	port_of[1] = port_of[2];
	start(0, 3);
	struct link_stats stats = opinion(0, 1);
	assert_int_equal(stats.trouble, LINK_OTHER_REPLICA);
	assert_non_null(strstr(stats.why, "replica 2 answers there"));
}

static void who_is_no_replica_is_told_from_who_is_away(void **state)
{
	(void)state;
	start(0, 2);
	struct link_stats stats = opinion_but(0, 1, 1u << LINK_FINE);
	assert_int_equal(stats.trouble, LINK_UNREACHABLE);
	assert_non_null(strstr(stats.why, "refused"));
	int listener = raw_listen(port_of[1]);
	int fd = accept(listener, NULL, NULL);
	raw_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	assert_int_equal(opinion(0, 1).trouble, LINK_NO_REPLICA);
	close(fd);
	close(listener);
}

/* ---- hostile connections ----------------------------------------------------------------- */

static void assert_still_works(void)
{
	assert_reaches(1, 0);
}

static void huge_length_prefix_closes_the_pipe(void **state)
{
	const uint64_t lengths[] = {(uint64_t)1 << 63, UINT64_MAX, Q_FRAME_MAX + 1};

	(void)state;
	start(0, 2);
	start(1, 2);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t length = htobe64(lengths[i]);
		int fd = raw_connect(port_of[0]);

		raw_hello(fd, PUSH);
		raw_send(fd, &length, sizeof(length));
		raw_wait_closed(fd);
	}
	assert_still_works();
	assert_int_equal(link_rejected(node[0]), 3);
}

static void random_bytes_close_the_pipe(void **state)
{
	uint32_t x = 12345;

	(void)state;
	start(0, 2);
	start(1, 2);
	for (unsigned round = 0; round < 20; round++) {
		uint8_t noise[512];
		int fd = raw_connect(port_of[0]);

		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		raw_send(fd, noise, sizeof(noise));
		raw_wait_closed(fd);
	}
	assert_still_works();
	assert_int_equal(link_rejected(node[0]), 20);
}

static void wrong_protocol_closes_the_pipe(void **state)
{
	(void)state;
	start(0, 2);
	start(1, 2);
	int fd = raw_connect(port_of[0]);

	raw_send(fd, sp_pull, sizeof(sp_pull));
	raw_wait_closed(fd);
	assert_still_works();
}

static void port_scanner_does_no_harm(void **state)
{
	(void)state;
	start(0, 2);
	start(1, 2);
	for (unsigned i = 0; i < 200; i++) {
		int fd = raw_connect(port_of[0]);

		if (i % 3 == 1)
			raw_send(fd, sp_push, i % sizeof(sp_push));
		if (i % 2 == 0)
			raw_reset(fd);
		else
			close(fd);
	}
	assert_still_works();
	assert_int_equal(link_rejected(node[0]), 0); /* nobody said anything wrong */
}

static void frame_split_into_bytes_arrives_whole(void **state)
{
	struct qenvelope env = envelope(1, 10);
	struct qframe frame = {.envelopes = {.envelopes_len = 1, .envelopes_val = &env}};
	struct bytes b;

	(void)state;
	start(0, 2);
	int fd = raw_connect(port_of[0]);
	uint64_t length;
	uint8_t answer[sizeof(length)];

	assert_true(wire_encode(WIRE(qframe), &frame, &b));
	length = htobe64(b.len);
	raw_hello(fd, PUSH);
	raw_pass_hello(fd, PULL);
	raw_send(fd, &length, sizeof(length));
	for (size_t i = 0; i < b.len; i++)
		raw_send(fd, b.data + i, 1);
	inbox_wait(inbox[0], &inbox[0]->envelopes, 1);
	assert_int_equal(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	assert_memory_equal(answer, ((uint8_t[8]){0}), 8); /* an empty message */
	bytes_free(&b);
	close(fd);
}

/* A stranger that has said hello and nothing else. */
static int raw_stranger_from(uint32_t host)
{
	int fd = raw_connect_from(host, port_of[0]);

	raw_hello(fd, PUSH);
	raw_pass_hello(fd, PULL);
	return fd;
}

static int raw_stranger(void)
{
	return raw_stranger_from(INADDR_LOOPBACK);
}

static void frames_are_answered_one_for_one(void **state)
{
	enum { CNT = 21 };                        /* some together, the last ones after a while */
	struct qenvelope env = envelope(1, 3000); /* so that they lie across the ends of its buffer */
	struct qframe frame = {.envelopes = {.envelopes_len = 1, .envelopes_val = &env}};
	struct bytes b;
	uint8_t answers[8 * CNT];

	(void)state;
	start(0, 2);
	int fd = raw_stranger();
	assert_true(wire_encode(WIRE(qframe), &frame, &b));
	uint64_t length = htobe64(b.len);
	for (unsigned i = 0; i < CNT; i++) {
		raw_send(fd, &length, sizeof(length));
		raw_send(fd, b.data, b.len);
	}
	inbox_wait(inbox[0], &inbox[0]->from_of[1], CNT);
	assert_int_equal(recv(fd, answers, sizeof(answers), MSG_WAITALL), sizeof(answers));
	for (size_t i = 0; i < sizeof(answers); i++)
		assert_int_equal(answers[i], 0);
	bytes_free(&b);
	close(fd);
}

static void rejected_pipe_is_closed_and_counted_once(void **state)
{
	const uint8_t nonsense[12] = {[7] = 4, [8] = 0xff};

	(void)state;
	start(0, 2);
	inbox[0]->reject = node[0];
	int fd = raw_connect(port_of[0]);

	raw_hello(fd, PUSH);
	raw_send(fd, nonsense, sizeof(nonsense));
	raw_wait_closed(fd);
	link_reject(node[0], inbox_read(inbox[0], &inbox[0]->pipe)); /* gone: nothing happens */
	assert_int_equal(link_rejected(node[0]), 1);
}

static void full_table_displaces_the_oldest_unproven_pipe(void **state)
{
	enum { MAX = 4 * 2 + 16 };
	int fd[MAX + 1];

	(void)state;
	start(0, 2);
	inbox[0]->prove = node[0];
	start(1, 2);
	send_one(1, 0);
	inbox_wait(inbox[0], &inbox[0]->envelopes, 1); /* one proven pipe; the rest is for strangers */
	unsigned proven = inbox_read(inbox[0], &inbox[0]->pipe);
	for (int i = 0; i < MAX; i++)
		fd[i] = raw_stranger();
	raw_wait_closed(fd[0]);
	fd[MAX] = raw_stranger();
	raw_wait_closed(fd[1]);

	send_one(1, 0);
	inbox_wait(inbox[0], &inbox[0]->envelopes, 2);
	assert_int_equal(inbox_read(inbox[0], &inbox[0]->pipe), proven); /* it was left alone */
	assert_int_equal(link_rejected(node[0]), 0);
	for (int i = 2; i <= MAX; i++)
		close(fd[i]);
}

/* LK7: one host that calls again and again displaces itself. */
static void flood_from_one_host_displaces_no_other(void **state)
{
	enum { MAX = 4 * 2 + 16, CALLS = 3 * MAX };
	struct qenvelope env = envelope(1, 10);
	struct qframe frame = {.envelopes = {.envelopes_len = 1, .envelopes_val = &env}};
	struct bytes b;
	int fd[CALLS];

	(void)state;
	start(0, 2);
	int first = raw_stranger(), second = raw_stranger(); /* older than any of the flood's */
	for (int i = 0; i < CALLS; i++)
		fd[i] = raw_stranger_from(INADDR_LOOPBACK + 1);
	for (int i = 0; i < CALLS - MAX + 2; i++)
		raw_wait_closed(fd[i]);
	assert_true(wire_encode(WIRE(qframe), &frame, &b));
	uint64_t length = htobe64(b.len);
	raw_send(first, &length, sizeof(length));
	raw_send(first, b.data, b.len);
	raw_send(second, &length, sizeof(length));
	raw_send(second, b.data, b.len);
	inbox_wait(inbox[0], &inbox[0]->envelopes, 2);
	bytes_free(&b);
	for (int i = CALLS - MAX + 2; i < CALLS; i++)
		close(fd[i]);
	close(first);
	close(second);
}

static void newest_two_pipes_of_a_peer_are_kept(void **state)
{
	struct qenvelope env = envelope(1, 10);
	struct qframe frame = {.envelopes = {.envelopes_len = 1, .envelopes_val = &env}};
	struct bytes b;
	int fd[3];

	(void)state;
	start(0, 2);
	inbox[0]->prove = node[0];
	assert_true(wire_encode(WIRE(qframe), &frame, &b));
	uint64_t length = htobe64(b.len);
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = raw_connect(port_of[0]);
		raw_hello(fd[i], PUSH);
		raw_send(fd[i], &length, sizeof(length));
		raw_send(fd[i], b.data, b.len);
		inbox_wait(inbox[0], &inbox[0]->envelopes, i + 1);
	}
	raw_wait_closed(fd[0]);
	for (unsigned i = 1; i < 3; i++) {
		raw_send(fd[i], &length, sizeof(length));
		raw_send(fd[i], b.data, b.len);
		inbox_wait(inbox[0], &inbox[0]->envelopes, 3 + i);
		close(fd[i]);
	}
	bytes_free(&b);
}

/* Accepts a link's call and says hello. */
static int raw_accept(int listener)
{
	struct timeval limit = {.tv_sec = DEADLINE_S};
	int fd = accept(listener, NULL, NULL);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	raw_pass_hello(fd, PUSH);
	raw_hello(fd, PULL);
	return fd;
}

/* How many envelopes are in the next frame? */
static unsigned raw_frame(int fd)
{
	static uint8_t data[1 << 16];
	struct qframe frame;
	uint64_t length;

	assert_int_equal(recv(fd, &length, sizeof(length), MSG_WAITALL), sizeof(length));
	length = be64toh(length);
	assert_true(length <= sizeof(data));
	assert_int_equal(recv(fd, data, length, MSG_WAITALL), length);
	assert_true(wire_decode(WIRE(qframe), data, length, &frame));
	unsigned cnt = frame.envelopes.envelopes_len;
	wire_free(WIRE(qframe), &frame);
	return cnt;
}

static void frames_without_answer_are_bounded(void **state)
{
	const uint8_t answer[8] = {0};
	int listener = raw_listen(port_of[1]);

	(void)state;
	start(0, 2);
	int fd = raw_accept(listener);
	for (int i = 0; i < 32; i++) {
		send_one(0, 1);
		assert_int_equal(raw_frame(fd), 1);
	}
	for (int i = 0; i < 3; i++) {
		struct link_stats stats;
		send_one(0, 1); /* waits for an answer, and so travels with the others */
		for (int round = 0; round < 1000; round++) {
			sched_yield();
			link_stats(node[0], 1, &stats);
			assert_int_equal(stats.sent_frames, 32);
		}
	}
	raw_send(fd, answer, 3);
	raw_send(fd, answer, 5);
	assert_int_equal(raw_frame(fd), 3);
	close(fd);
	close(listener);
}

/* nng 1.5.2's push socket aborts the process when this happens often enough. */
static void peer_that_resets_after_the_handshake_does_no_harm(void **state)
{
	int listener = raw_listen(port_of[1]);

	(void)state;
	start(0, 2);
	for (int i = 0; i < 6; i++) {
		const uint8_t answer[8] = {0};
		int fd = raw_accept(listener);

		raw_send(fd, answer, sizeof(answer)); /* keeps the pause between two calls short */
		send_one(0, 1);
		raw_reset(fd);
	}
	close(listener);
	start(1, 2);
	assert_reaches(0, 1);
}

/* ---- starting and stopping ------------------------------------------------------------------ */

static void link_with_nobody_there_stops(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		start(i, 4);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned to = 0; to < 4; to++)
			if (to != i)
				send_one(i, to);
		stop(i);
	}
}

static struct err start_failure(const char *listen, const char *peer)
{
	const char *address[2] = {NULL, peer};
	struct link_config c = {.listen = listen, .n = 2, .address = address, .on_frame = on_frame};
	struct err err = {0};

	c.ctx = inbox[0];
	assert_null(link_start(&c, &err));
	return err;
}

static void address_in_use_is_named(void **state)
{
	char url[64];

	(void)state;
	start(0, 2);
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", port_of[0]);
	struct err err = start_failure(url, "tcp://127.0.0.1:1");
	assert_int_equal(err.kind, ERR_WORLD);
	assert_non_null(strstr(err.text, url));
	assert_non_null(strstr(err.text, "in use"));
}

static void bad_addresses_are_refused(void **state)
{
	const char *const bad[] = {"",
	                           "127.0.0.1:7580",
	                           "http://127.0.0.1:1",
	                           "ws://127.0.0.1:1",
	                           "tls+ipc:///tmp/x",
	                           "inproc://x",
	                           "ipc://",
	                           "tcp://",
	                           "tcp://127.0.0.1",
	                           "tcp://127.0.0.1:x",
	                           "tcp://127.0.0.1:-1",
	                           "tcp://127.0.0.1:1 ",
	                           "tcp://127.0.0.1:65536",
	                           "tcp://127.0.0.1:1/path",
	                           "tcp://:::"};
	const char *const undialable[] = {"tcp://127.0.0.1:0", "tcp://*:7580", "tcp://:7580"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = start_failure(bad[i], "tcp://127.0.0.1:1");
		assert_int_equal(err.kind, ERR_INPUT);
		assert_non_null(strstr(err.text, "own address"));
		err = start_failure("tcp://127.0.0.1:0", bad[i]);
		assert_int_equal(err.kind, ERR_INPUT);
		assert_non_null(strstr(err.text, "replica 1"));
	}
	for (size_t i = 0; i < sizeof(undialable) / sizeof(undialable[0]); i++) {
		assert_true(link_url_check(undialable[i], true, &err));
		assert_false(link_url_check(undialable[i], false, &err));
	}
	assert_true(link_url_check("tcp://[::1]:1", false, &err));
	assert_true(link_url_check("ipc:///tmp/x", false, &err));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(frame_of_queued_envelopes_equals_the_schema),
	    TEST(frame_holds_a_bounded_number_of_envelopes),
	    TEST(frame_holds_about_a_mebibyte_or_one_bigger_envelope),
	    TEST(full_outbox_drops_the_oldest_and_counts),
	    TEST(two_links_exchange_envelopes),
	    TEST(four_links_exchange_envelopes),
	    TEST(biggest_envelope_passes),
	    TEST(envelopes_that_wait_travel_together),
	    TEST(peer_that_is_away_costs_a_bounded_outbox),
	    TEST(peer_that_does_not_read_stops_the_sender_only),
	    TEST(slowed_pipe_delivers_all_and_ends_when_it_must),
	    TEST(peer_that_restarts_is_found_again),
	    TEST(nodes_of_neighbouring_versions_work_together),
	    TEST(replica_of_another_chain_is_named_and_harms_no_other),
	    TEST(callers_lies_are_not_believed),
	    TEST(refused_callers_are_told_of_now_and_then),
	    TEST(address_of_another_replica_is_named),
	    TEST(who_is_no_replica_is_told_from_who_is_away),
	    TEST(huge_length_prefix_closes_the_pipe),
	    TEST(random_bytes_close_the_pipe),
	    TEST(wrong_protocol_closes_the_pipe),
	    TEST(port_scanner_does_no_harm),
	    TEST(frame_split_into_bytes_arrives_whole),
	    TEST(frames_are_answered_one_for_one),
	    TEST(rejected_pipe_is_closed_and_counted_once),
	    TEST(full_table_displaces_the_oldest_unproven_pipe),
	    TEST(flood_from_one_host_displaces_no_other),
	    TEST(newest_two_pipes_of_a_peer_are_kept),
	    TEST(frames_without_answer_are_bounded),
	    TEST(peer_that_resets_after_the_handshake_does_no_harm),
	    TEST(link_with_nobody_there_stops),
	    TEST(address_in_use_is_named),
	    TEST(bad_addresses_are_refused),
	};
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
