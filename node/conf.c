/*
 * conf.c: node.conf, by libinih.
 *
 * libinih cuts long lines in two and does not say in which line a key stands, so it gets its lines from
 * read_line(), which counts and measures them.
 */
#include "conf.h"

#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "http.h"
#include "link.h"
#include "text.h"
#include "wholefile.h"

#define HTTP_DEFAULT "127.0.0.1:7480"
#define LISTEN_DEFAULT "tcp://127.0.0.1:7580"
#define FILE_MAX ((size_t)64 << 10)
#define LINE_MAX_LEN 180  /* libinih's buffer has 200 */
#define VALUE_MAX_LEN 160 /* so that what was read can be written */

struct reading {
	const char *path, *next; /* what is still to be read */
	int line;                /* of what was read last, from 1 */
	struct conf *conf;
	uint64_t peers_given;
	unsigned given; /* bit i: keys[i] was given */
	struct err err; /* the first one, */
	int err_line;   /* in that line; 0: none */
};

/* ---- values --------------------------------------------------------------------------- */

static bool set_http(struct conf *c, const char *value, struct err *err)
{
	if (!http_listen_check(value, err))
		return false;
	free(c->http);
	c->http = xstrdup(value);
	return true;
}

static bool set_path(char **out, const char *value, struct err *err)
{
	if (*value == '\0' || strlen(value) > VALUE_MAX_LEN)
		return err_set(err, ERR_INPUT, "the path of a file, of at most %d characters", VALUE_MAX_LEN);
	free(*out);
	*out = xstrdup(value);
	return true;
}

static bool set_http_cert(struct conf *c, const char *value, struct err *err)
{
	return set_path(&c->http_cert, value, err);
}

static bool set_http_key(struct conf *c, const char *value, struct err *err)
{
	return set_path(&c->http_key, value, err);
}

/* One or several, with commas between. */
static bool set_cors(struct conf *c, const char *value, struct err *err)
{
	if (strlen(value) > VALUE_MAX_LEN)
		return err_set(err, ERR_INPUT, "at most %d characters", VALUE_MAX_LEN);
	for (unsigned cnt = 0;; cnt++) {
		value += strspn(value, " \t");
		size_t len = strcspn(value, ", \t");
		if (cnt == CONF_ORIGINS_MAX)
			return err_set(err, ERR_INPUT, "at most %d origins", CONF_ORIGINS_MAX);
		c->cors[cnt] = strndup(value, len);
		must(c->cors[cnt] != NULL);
		if (!http_origin_check(c->cors[cnt], err))
			return false;
		value += len + strspn(value + len, " \t");
		if (*value == '\0')
			return true;
		if (*value++ != ',')
			return err_set(err, ERR_INPUT, "write commas between origins");
	}
}

static bool set_listen(struct conf *c, const char *value, struct err *err)
{
	if (!link_url_check(value, true, err))
		return false;
	free(c->listen);
	c->listen = xstrdup(value);
	return true;
}

static bool set_protocol(struct conf *c, const char *value, struct err *err)
{
	uint64_t n;

	if (!text_u64(value, link_versions.highest, &n) || (n > 0 && n < link_versions.lowest))
		return err_set(
		    err, ERR_INPUT,
		    "\"%.40s\" is no version that this program speaks, which are %u to %u (0: all)", value,
		    link_versions.lowest, link_versions.highest);
	c->protocol = (unsigned)n;
	return true;
}

static bool set_log(struct conf *c, const char *value, struct err *err)
{
	return log_level_parse(value, &c->log) ||
	       err_set(err, ERR_INPUT, "\"%.40s\" is none of debug, info, warn, error", value);
}

#define NUMBER(field, min, max)                                          \
	{                                                                \
#field, NULL, offsetof(struct conf, field), (min), (max) \
	}

static const struct key {
	const char *name;
	bool (*set)(struct conf *c, const char *value, struct err *err); /* NULL: a number, */
	size_t offset;                                                   /* an unsigned there, */
	unsigned min, max;
} keys[] = {
    {"http", set_http, 0, 0, 0},          {"listen", set_listen, 0, 0, 0},
    NUMBER(workers, 0, CONF_WORKERS_MAX), NUMBER(mining_threads, 0, CONF_MINING_THREADS_MAX),
    NUMBER(scrub_s, 0, CONF_SCRUB_S_MAX), {"log", set_log, 0, 0, 0},
    {"protocol", set_protocol, 0, 0, 0},  {"http_cert", set_http_cert, 0, 0, 0},
    {"http_key", set_http_key, 0, 0, 0},  NUMBER(http_per_address, 1, HTTP_CONNECTIONS_MAX),
    {"cors", set_cors, 0, 0, 0},
};
#undef NUMBER
#define KEY_CNT (sizeof(keys) / sizeof(keys[0]))

const char *conf_key(unsigned i)
{
	return i < KEY_CNT ? keys[i].name : NULL;
}

static bool set_key(const struct key *k, struct conf *c, const char *value, struct err *err)
{
	uint64_t n;

	if (k->set != NULL)
		return k->set(c, value, err);
	if (!text_u64(value, k->max, &n) || n < k->min)
		return err_set(err, ERR_INPUT, "\"%.40s\" is no number from %u to %u", value, k->min, k->max);
	*(unsigned *)(void *)((char *)c + k->offset) = (unsigned)n;
	return true;
}

/* ---- lines ---------------------------------------------------------------------------- */

static bool node_key(struct reading *r, const char *name, const char *value, struct err *err)
{
	for (unsigned i = 0; i < KEY_CNT; i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (r->given & 1u << i)
			return err_set(err, ERR_INPUT, "%s is given twice, or continues on an indented line",
			               name);
		r->given |= 1u << i;
		return set_key(&keys[i], r->conf, value, err) || err_prefix(err, "%s", name);
	}
	char list[256] = "";
	for (unsigned i = 0; i < KEY_CNT; i++) {
		size_t len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "", keys[i].name);
	}
	return err_set(err, ERR_INPUT, "there is no key \"%.40s\" in [node]: %s", name, list);
}

static bool peer_key(struct reading *r, const char *name, const char *value, struct err *err)
{
	uint64_t i;

	if (!text_u64(name, Q_REPLICAS_MAX - 1, &i))
		return err_set(err, ERR_INPUT,
		               "\"%.40s\" is no replica: a key in [peers] is a number from 0 to %d", name,
		               Q_REPLICAS_MAX - 1);
	if (r->peers_given >> i & 1)
		return err_set(err, ERR_INPUT, "replica %s is given twice, or continues on an indented line",
		               name);
	r->peers_given |= (uint64_t)1 << i;
	if (!link_url_check(value, false, err))
		return err_prefix(err, "replica %s", name);
	r->conf->peer[i] = xstrdup(value);
	return true;
}

static void keep_first(struct reading *r, const struct err *err)
{
	if (r->err_line == 0) {
		r->err = *err;
		r->err_line = r->line;
	}
}

/* libinih's handler: 1 is good. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	struct err err = {0};
	bool good;

	if (strcmp(section, "node") == 0)
		good = node_key(r, name, value, &err);
	else if (strcmp(section, "peers") == 0)
		good = peer_key(r, name, value, &err);
	else if (*section == '\0')
		good = err_set(&err, ERR_INPUT, "\"%.40s\" stands before the first section, [node]", name);
	else
		good = err_set(&err, ERR_INPUT, "there is no section [%.40s]: [node], [peers]", section);
	if (!good)
		keep_first(r, &err);
	return good;
}

/* libinih's reader: one line of the file, without fgets()'s habit of cutting it. */
static char *read_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	size_t len = strcspn(r->next, "\n");
	bool last = r->next[len] == '\0';
	struct err err = {0};

	if (last && len == 0)
		return NULL;
	r->line++;
	if (len > LINE_MAX_LEN) {
		err_set(&err, ERR_INPUT, "a line has at most %d characters", LINE_MAX_LEN);
		keep_first(r, &err);
	}
	snprintf(buf, (size_t)size, "%.*s\n", len > LINE_MAX_LEN ? 0 : (int)len, r->next);
	r->next += len + !last;
	return buf;
}

static int line_of(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

struct conf *conf_load(const char *path, struct err *err)
{
	size_t len;
	char *text = wholefile_read(path, FILE_MAX, &len, err);

	if (text == NULL)
		return NULL;
	struct conf *c = xcalloc(1, sizeof(*c));
	c->http = xstrdup(HTTP_DEFAULT);
	c->listen = xstrdup(LISTEN_DEFAULT);
	c->mining_threads = CONF_MINING_THREADS;
	c->scrub_s = CONF_SCRUB_S;
	c->log = LOG_INFO;
	c->http_per_address = HTTP_PER_ADDRESS;

	struct reading r = {.path = path, .next = text, .conf = c};
	int syntax = ini_parse_stream(read_line, &r, on_key, &r); /* 0, or the first bad line */
	bool good = false;
	if (strlen(text) != len)
		err_set(err, ERR_INPUT, "%s:%d: a NUL byte; no text file has one: write that line anew", path,
		        line_of(text, strlen(text)));
	else if (r.err_line > 0 && (syntax <= 0 || r.err_line <= syntax))
		err_set(err, ERR_INPUT, "%s:%d: %s", path, r.err_line, r.err.text);
	else if (syntax > 0)
		err_set(err, ERR_INPUT, "%s:%d: neither [SECTION] nor KEY = VALUE nor # COMMENT", path,
		        syntax);
	else
		good = true;
	free(text);
	if (good)
		return c;
	conf_free(c);
	return NULL;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		free(c->peer[i]);
	for (unsigned i = 0; i < CONF_ORIGINS_MAX; i++)
		free(c->cors[i]);
	free(c->http_cert);
	free(c->http_key);
	free(c->http);
	free(c->listen);
	free(c);
}

/* ---- writing ---------------------------------------------------------------------------- */

/* Those without a default: set, or as examples. */
static char *optional_keys(const struct conf *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL);
	fprintf(f,
	        "# TLS for clients: certificate (then those that signed it) and key, in PEM; both or none.\n"
	        "%shttp_cert = %s\n%shttp_key = %s\n\n"
	        "# Origins whose pages may read answers in a browser, with commas between; *: all.\n"
	        "%scors = %s",
	        c->http_cert != NULL ? "" : "# ",
	        c->http_cert != NULL ? c->http_cert : "/etc/quorate/http.crt",
	        c->http_key != NULL ? "" : "# ", c->http_key != NULL ? c->http_key : "/etc/quorate/http.key",
	        c->cors[0] != NULL ? "" : "# ", c->cors[0] != NULL ? c->cors[0] : "https://explorer.example");
	for (unsigned i = 1; i < CONF_ORIGINS_MAX && c->cors[i] != NULL; i++)
		fprintf(f, ",%s", c->cors[i]);
	fputs("\n", f);
	must(fclose(f) == 0);
	return text;
}

bool conf_write(const char *path, const struct conf *c, struct err *err)
{
	char *text = NULL;
	size_t len = 0;
	char *optional = optional_keys(c);
	FILE *f = open_memstream(&text, &len);

	must(f != NULL);
	fprintf(
	    f,
	    "# What this replica's operator decides. What all replicas must agree on is in genesis.json.\n"
	    "\n"
	    "[node]\n"
	    "# Where clients connect (HTTP): HOST:PORT.\n"
	    "http = %s\n"
	    "\n"
	    "# Behind a proxy, where all of them come from one address: as many connections from one as "
	    "there "
	    "may be, %u.\n"
	    "http_per_address = %u\n"
	    "\n"
	    "%s"
	    "\n"
	    "# Where the other replicas connect: tcp://HOST:PORT, or tcp://*:PORT for all interfaces;\n"
	    "# tls+tcp://... if what they say is nobody's business.\n"
	    "# They dial the address that genesis.json gives, which must lead here.\n"
	    "listen = %s\n"
	    "\n"
	    "# Threads that check signatures, at most %d; 0: one for each core.\n"
	    "workers = %u\n"
	    "\n"
	    "# On a chain that asks its proposers for a proof of work: threads that search for it, at most "
	    "%d;\n"
	    "# 0: one for each core. The genesis promises the others a hash rate: see that they reach it.\n"
	    "mining_threads = %u\n"
	    "\n"
	    "# Seconds from one check of the whole ledger file to the next, in the background; 0: none.\n"
	    "scrub_s = %u\n"
	    "\n"
	    "# Highest version of the protocol to speak with the other replicas; 0: all that the program "
	    "speaks.\n"
	    "# Pin the one that all speak while they are upgraded one by one, and unpin after.\n"
	    "protocol = %u\n"
	    "\n"
	    "# How much is logged: debug, info, warn or error.\n"
	    "log = %s\n"
	    "\n"
	    "[peers]\n"
	    "# Replicas that are to be dialed elsewhere than genesis.json says: NUMBER = tcp://HOST:PORT.\n",
	    c->http != NULL ? c->http : HTTP_DEFAULT, HTTP_CONNECTIONS_MAX,
	    c->http_per_address > 0 ? c->http_per_address : HTTP_PER_ADDRESS, optional,
	    c->listen != NULL ? c->listen : LISTEN_DEFAULT, CONF_WORKERS_MAX, c->workers,
	    CONF_MINING_THREADS_MAX, c->mining_threads, c->scrub_s, c->protocol, log_level_name(c->log));
	for (unsigned i = 0; i < Q_REPLICAS_MAX; i++)
		if (c->peer[i] != NULL)
			fprintf(f, "%u = %s\n", i, c->peer[i]);
	must(fclose(f) == 0);
	bool good = text_write_new(path, 0644, text, len, err);
	free(text);
	free(optional);
	return good;
}
