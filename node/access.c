/*
 * access.c: which nodes a command asks, and which genesis it holds.
 */
#include "access.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "keyfile.h"
#include "testnet.h"
#include "text.h"

#define TESTNET_GENESIS TESTNET_DIR "/genesis.json"
#define DEFAULT_NODE "http://127.0.0.1:7480"

static struct client *from_list(const char *list, struct err *err)
{
	const char *urls[CMD_NODES_MAX];
	size_t cnt = 0;
	char *copy = xstrdup(list), *rest = copy;
	for (const char *url; (url = strsep(&rest, ", ")) != NULL && cnt < CMD_NODES_MAX;) {
		if (url[0] != '\0')
			urls[cnt++] = url;
	}
	struct client *c = NULL;
	if (cnt == 0)
		err_set(err, ERR_INPUT, "QUORATE_NODE \"%.100s\" names no node", list);
	else
		c = client_new(urls, cnt, ACCESS_TIMEOUT_MS, err);
	free(copy);
	return c;
}

static struct client *from_testnet(struct err *err)
{
	struct testnet *t = testnet_open(TESTNET_DIR, err);
	if (t == NULL)
		return NULL;
	const char *urls[Q_REPLICAS_MAX];
	for (unsigned i = 0; i < t->n; i++)
		urls[i] = t->nodes[i].http;
	struct client *c = client_new(urls, t->n, ACCESS_TIMEOUT_MS, err);
	testnet_free(t);
	return c;
}

struct client *access_client(const struct cmd_common *common, struct err *err)
{
	if (common->node_cnt > 0) {
		struct client *c = client_new(common->node, common->node_cnt, ACCESS_TIMEOUT_MS, err);
		return c != NULL ? c : (err_prefix(err, "--node"), NULL);
	}
	const char *list = getenv("QUORATE_NODE");
	if (list != NULL && list[0] != '\0')
		return from_list(list, err);
	if (testnet_exists(TESTNET_DIR))
		return from_testnet(err);
	return client_new((const char *const[]){DEFAULT_NODE}, 1, ACCESS_TIMEOUT_MS, err);
}

const char *access_genesis_path(const struct cmd_common *common)
{
	if (common->genesis != NULL)
		return common->genesis;
	return access(TESTNET_GENESIS, R_OK) == 0 ? TESTNET_GENESIS : NULL;
}

char *access_ledger_path(const char *arg)
{
	struct stat st;
	if (stat(arg, &st) == 0 && S_ISDIR(st.st_mode))
		return text_format("%s%sledger.db", arg, arg[strlen(arg) - 1] == '/' ? "" : "/");
	return xstrdup(arg);
}

struct reader *access_reader(const char *path, struct err *err)
{
	struct reader *r = reader_open(path, NULL, err);
	if (r == NULL)
		err->kind = ERR_INPUT;
	return r;
}

bool access_address(const char *text, const char *what, struct qaddress *out, struct err *err)
{
	char kind[KEYFILE_KIND], address[KEYFILE_TEXT];
	if (access(text, R_OK) == 0 && keyfile_show(text, kind, sizeof kind, address, sizeof address, NULL) &&
	    strcmp(kind, "account") == 0)
		return address_parse(address, out, err);
	return address_parse(text, out, err) || err_prefix(err, "%s", what);
}

uint64_t access_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

void access_nap_ms(unsigned ms)
{
	struct timespec nap = clock_timespec(ms);
	nanosleep(&nap, NULL);
}
