/*
 * testnet_start.c: starting the nodes of a testnet, and waiting until they are up.
 */
#include "testnet_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "access.h"
#include "clean.h"
#include "out.h"
#include "testnet_look.h"

static void show_log(const struct testnet_node *node, long from)
{
	enum { LINES = 10 };
	FILE *f = fopen(node->log, "re");
	if (f == NULL)
		return;
	char *lines[LINES] = {NULL}, *line = NULL;
	size_t cap = 0, cnt = 0;
	fseek(f, from, SEEK_SET);
	while (getline(&line, &cap, f) > 0) {
		free(lines[cnt % LINES]);
		lines[cnt++ % LINES] = xstrdup(line);
	}
	free(line);
	fclose(f);
	for (size_t i = cnt > LINES ? cnt - LINES : 0; i < cnt; i++) {
		lines[i % LINES][strcspn(lines[i % LINES], "\n")] = '\0';
		clean_text(lines[i % LINES]);
		out_note("  %s", lines[i % LINES]);
	}
	for (size_t i = 0; i < LINES; i++)
		free(lines[i]);
}

bool start_node(const struct testnet_node *node, bool child, struct started *s, struct err *err)
{
	struct stat st;
	s->log_at = stat(node->log, &st) == 0 ? (long)st.st_size : 0;
	s->pid = testnet_spawn(node, child, err);
	return s->pid > 0;
}

/* Has a process that was started here ended already? */
static bool died(const struct testnet_node *node, const struct started *s, struct err *err)
{
	int status;
	if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return false;
	if (WIFSIGNALED(status))
		err_set(err, ERR_WORLD, "replica %u was ended by signal %d; the end of %s:", node->index,
		        WTERMSIG(status), node->log);
	else
		err_set(err, ERR_WORLD, "replica %u ended with exit code %d; the end of %s:", node->index,
		        WEXITSTATUS(status), node->log);
	return true;
}

static bool all_ready(const struct testnet *t, bool *ready, struct err *err)
{
	bool all = true;
	for (unsigned i = 0; i < t->n; i++) {
		if (!ready[i]) {
			ready[i] = look_at(t, &t->nodes[i], err).healthy;
			if (!ready[i] && err->kind == ERR_NONE)
				err_set(err, ERR_WORLD, "replica %u does not run or is not healthy yet", i);
		}
		all = all && ready[i];
	}
	return all;
}

bool start_wait_all(const struct testnet *t, const struct started *started, struct err *err)
{
	bool ready[Q_REPLICAS_MAX] = {false};
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	for (;;) {
		struct err why = {0};
		for (unsigned i = 0; i < t->n; i++) {
			if (!died(&t->nodes[i], &started[i], err))
				continue;
			cmd_fail(err);
			show_log(&t->nodes[i], started[i].log_at);
			return err_set(err, ERR_WORLD, "the testnet did not start");
		}
		if (all_ready(t, ready, &why))
			return true;
		if (access_now_ms() >= deadline_ms)
			return err_set(err, ERR_WORLD, "the testnet is not ready after %d s: %.300s",
			               READY_TIMEOUT_MS / 1000, why.text);
		access_nap_ms(20);
	}
}

bool start_and_wait(const struct testnet *t, const struct testnet_node *node, struct err *err)
{
	struct started s = {0};
	if (testnet_pid(node) > 0)
		return err_set(err, ERR_NO, "replica %u runs already", node->index);
	if (!start_node(node, false, &s, err))
		return false;
	uint64_t deadline_ms = access_now_ms() + READY_TIMEOUT_MS;
	while (!look_at(t, node, err).answers) {
		if (died(node, &s, err)) {
			cmd_fail(err);
			show_log(node, s.log_at);
			return err_set(err, ERR_WORLD, "replica %u did not start", node->index);
		}
		if (access_now_ms() >= deadline_ms)
			return err_set(err, ERR_WORLD, "replica %u does not answer after %d s; see %s",
			               node->index, READY_TIMEOUT_MS / 1000, node->log);
		access_nap_ms(20);
	}
	return true;
}
