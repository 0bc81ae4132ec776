/*
 * why_home.c: see why_home.h. Nothing in the home is changed, and the passphrase of its key is not needed.
 */
#include "why_home.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "access.h"
#include "conf.h"
#include "home.h"
#include "keyfile.h"
#include "suspect.h"

#define DISK_NEEDED ((uint64_t)16 << 20) /* a WAL that is not folded yet, and some blocks */

struct looking {
	struct why_home *home;
	const struct genesis *g;
	struct home paths;
	struct conf *conf;
};

/* ---- the genesis ------------------------------------------------------------------------- */

static bool differ(const json_t *a, const json_t *b, char *path, size_t cap)
{
	size_t used = strlen(path);
	if (json_is_object(a) && json_is_object(b)) {
		const char *key;
		json_t *value;
		json_object_foreach((json_t *)a, key, value)
		{
			snprintf(path + used, cap - used, "%s%.40s", used > 0 ? "." : "", key);
			if (differ(value, json_object_get(b, key), path, cap))
				return true;
			path[used] = '\0';
		}
		return json_object_size(a) != json_object_size(b);
	}
	if (json_is_array(a) && json_is_array(b)) {
		for (size_t i = 0; i < json_array_size(a); i++) {
			snprintf(path + used, cap - used, "[%zu]", i);
			if (differ(json_array_get(a, i), json_array_get(b, i), path, cap))
				return true;
			path[used] = '\0';
		}
		return json_array_size(a) != json_array_size(b);
	}
	return !json_equal(a, b);
}

static json_t *document(const struct genesis *g)
{
	char *text = genesis_format(g);
	json_t *json = json_loads(text, 0, NULL);
	free(text);
	return json;
}

bool why_genesis_differs(const struct genesis *a, const struct genesis *b, char *field, size_t cap)
{
	json_t *one = document(a), *two = document(b);
	field[0] = '\0';
	bool differs = differ(one, two, field, cap);
	json_decref(one);
	json_decref(two);
	return differs;
}

/* ---- questions: false with *err: that is why ------------------------------------------------ */

static bool conf_is_good(struct looking *l, struct err *err)
{
	l->conf = conf_load(l->paths.conf, err);
	return l->conf != NULL;
}

static char state_of(pid_t pid)
{
	char path[64], line[256] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return '?';
	const char *name = fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
	(void)fclose(f);
	return name != NULL && name[1] == ' ' ? name[2] : '?';
}

static bool is_not_paused(struct looking *l, struct err *err)
{
	pid_t pid = home_holder(l->home->dir, NULL);
	char state = pid > 0 ? state_of(pid) : '?';
	return (state != 'T' && state != 't') ||
	       err_set(err, ERR_NO, "process %d in %s is paused (SIGSTOP)", (int)pid, l->home->dir);
}

/* A process is there and does not answer. */
static bool nothing_runs(struct looking *l, struct err *err)
{
	pid_t pid = home_holder(l->home->dir, err);
	return pid == 0 ||
	       (pid > 0 && err_set(err, ERR_WORLD, "process %d runs in %s, but does not answer at %s yet",
	                           (int)pid, l->home->dir, l->home->url));
}

static bool genesis_is_good(struct looking *l, struct err *err)
{
	struct genesis *own = genesis_load(l->paths.genesis, err);
	bool ok = own != NULL;
	char field[128];
	if (ok && why_genesis_differs(l->g, own, field, sizeof field))
		ok = err_set(err, ERR_INPUT, "%s is of another chain: it differs in %s", l->paths.genesis,
		             field);
	genesis_free(own);
	return ok;
}

static bool key_is_good(struct looking *l, struct err *err)
{
	char kind[KEYFILE_KIND], text[KEYFILE_TEXT];
	struct qreplica_key key;
	if (!keyfile_show(l->paths.key, kind, sizeof kind, text, sizeof text, err))
		return false;
	if (strcmp(kind, "replica") == 0 && hex_decode(key.b, sizeof key.b, text))
		l->home->replica = genesis_replica_of(l->g, &key);
	return l->home->replica >= 0 ||
	       err_set(err, ERR_INPUT, "%s: it is a key of kind \"%s\", %s, and none of those in the genesis",
	               l->paths.key, kind, text);
}

static bool ledger_is_not_suspect(struct looking *l, struct err *err)
{
	char *why = NULL;
	if (!suspect_read(l->paths.suspect, &why))
		return true;
	err_set(err, ERR_NO, "%s was found wrong: %.300s", l->paths.ledger, why);
	free(why);
	return false;
}

/* That there is none is no reason: the others have one. */
static bool ledger_is_good(struct looking *l, struct err *err)
{
	struct reader *r;
	if (access(l->paths.ledger, F_OK) != 0)
		return true;
	r = reader_open(l->paths.ledger, NULL, err);
	bool ok = r != NULL && (qhash_eq(reader_chain_id(r), &l->g->chain) ||
	                        err_set(err, ERR_INPUT, "%s is of another chain", l->paths.ledger));
	if (r != NULL)
		reader_close(r);
	return ok;
}

static bool disk_has_room(struct looking *l, struct err *err)
{
	struct statvfs disk;
	if (statvfs(l->home->dir, &disk) != 0)
		return true;
	uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
	return left >= DISK_NEEDED ||
	       err_set(err, ERR_WORLD, "the disk of %s is full: %" PRIu64 " KiB are left", l->home->dir,
	               left >> 10);
}

/* HOST:PORT, or tcp://HOST:PORT, *: any. */
static bool is_free(const char *address, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char host[256];
	const char *after = strstr(address, "://"), *start = after != NULL ? after + 3 : address,
	           *colon = strrchr(start, ':');
	if (colon == NULL)
		return true;
	snprintf(host, sizeof host, "%.*s", (int)(colon - start), start);
	if (host[0] == '[')
		snprintf(host, sizeof host, "%.*s", (int)(colon - start) - 2, start + 1);
	bool any = host[0] == '\0' || strcmp(host, "*") == 0, ok = true;
	if (getaddrinfo(any ? NULL : host, colon + 1, &hints, &found) != 0)
		return err_set(err, ERR_WORLD, "%s: no address of this machine", address);
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0))
		ok = err_set(err, ERR_WORLD, "%s cannot be listened on: %s", address,
		             errno == EADDRINUSE ? "another program has it" : strerror(errno));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return ok;
}

static bool ports_are_free(struct looking *l, struct err *err)
{
	return is_free(l->conf->http, err) && is_free(l->conf->listen, err);
}

/* What it said last, where its log is a file in its home. "": it is not. */
static void read_last_line(const char *dir, char line[300])
{
	char path[512], tail[1024] = "";
	snprintf(path, sizeof path, "%s/node.log", dir);
	FILE *f = fopen(path, "re");
	line[0] = '\0';
	if (f == NULL)
		return;
	if (fseek(f, -(long)(sizeof tail - 1), SEEK_END) != 0)
		rewind(f);
	size_t len = fread(tail, 1, sizeof tail - 1, f);
	(void)fclose(f);
	while (len > 0 && tail[len - 1] == '\n')
		tail[--len] = '\0';
	const char *last = strrchr(tail, '\n');
	snprintf(line, 300, "%.299s", last != NULL ? last + 1 : tail);
}

/* Nothing that can be seen from outside is in the way of a start. */
static bool it_is_started(struct looking *l, struct err *err)
{
	char line[300];
	read_last_line(l->home->dir, line);
	return err_set(err, ERR_NO, "no node runs in %s%s%s", l->home->dir,
	               line[0] != '\0' ? "; its log ends with: " : "", line);
}

/* In the order of a start. */
static const struct {
	bool (*ask)(struct looking *l, struct err *err);
	const char *code, *action;
} questions[] = {
    {conf_is_good, "bad_conf", "mend that line, and start the node"},
    {is_not_paused, "paused", "let it go on: kill -CONT, or `quorate testnet resume`"},
    {nothing_runs, "no_answer_yet",
     "wait: it may be reading its ledger; if that lasts, see the end of its log (node.log, or journalctl)"},
    {genesis_is_good, "bad_genesis",
     "give it the genesis.json of the others, byte for byte; a home that has run on another one needs a new "
     "ledger"},
    {key_is_good, "wrong_key",
     "put the replica.key there whose public half is in the genesis (`quorate key show`), with the votes.db "
     "that belongs to it"},
    {ledger_is_not_suspect, "ledger_wrong",
     "`quorate audit` tells what was changed; put a backup back: `quorate restore BACKUP --home HOME "
     "--force`, "
     "another replica's ledger does as one"},
    {ledger_is_good, "ledger_wrong",
     "put a backup back: `quorate restore BACKUP --home HOME --force`; another replica's ledger does as one"},
    {disk_has_room, "disk", "make room, and start the node: it fetches what it missed"},
    {ports_are_free, "port_taken",
     "stop the program that has it (`ss -ltnp` tells which), or change node.conf, and start the node"},
    {it_is_started, "not_running",
     "start it (`quorate node --home HOME`, or systemctl); if it ends at once, do what the end of its log "
     "says"},
};

void why_home_open(struct why_home *h, const char *dir)
{
	struct home paths;
	*h = (struct why_home){.dir = dir, .replica = -1};
	home_paths(&paths, dir);
	struct conf *conf = conf_load(paths.conf, NULL);
	if (conf != NULL) {
		const char *port = strrchr(conf->http, ':');
		bool any = strncmp(conf->http, "0.0.0.0:", 8) == 0 || strncmp(conf->http, "[::]:", 5) == 0;
		snprintf(h->url, sizeof h->url, "http%s://%s%s", conf->http_cert != NULL ? "s" : "",
		         any ? "127.0.0.1" : "", any && port != NULL ? port : conf->http);
	}
	conf_free(conf);
	home_free(&paths);
}

void why_home_look(struct why_home *h, const struct genesis *g)
{
	struct looking l = {.home = h, .g = g};
	struct err err = {0};
	size_t i = 0;
	home_paths(&l.paths, h->dir);
	while (questions[i].ask(&l, &err))
		i++;
	h->code = questions[i].code;
	snprintf(h->text, sizeof h->text, "%.511s", err.text);
	snprintf(h->action, sizeof h->action, "%s", questions[i].action);
	conf_free(l.conf);
	home_free(&l.paths);
}
