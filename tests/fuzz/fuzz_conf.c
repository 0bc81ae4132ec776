/*
 * fuzz_conf.c: node.conf: an error that says something, or a configuration that survives being written and
 * read again.  What is read lives in memory, what is written in a directory of its own.
 *
 * Links: q_conf
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"
#include "link.h"

static int file = -1;
static char path[64], dir[] = "/tmp/quorate-fuzz-XXXXXX", written[64];

static void setup(void)
{
	static const char full[] =
	    "# a replica\n[node]\nhttp = 127.0.0.1:7480\nlisten = tcp://127.0.0.1:7580\n"
	    "workers = 2\nlog = debug\n\n[peers]\n2 = tcp://10.0.0.3:7580\n"
	    "63 = tls+tcp://[::1]:1\n";
	static const char some[] = "[node]\nhttp = [::1]:7480 ; a comment\nworkers = 0\n[peers]\n";

	file = memfd_create("conf", MFD_CLOEXEC);
	must(file >= 0 && mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	snprintf(written, sizeof written, "%s/node.conf", dir);
	static const char web[] = "[node]\nhttp_cert = a.crt\nhttp_key = a.key\nhttp_per_address = 5\n"
	                          "cors = https://a.example, http://b.example:80,*\n";

	fuzz_seed(web, sizeof web - 1);
	fuzz_seed(full, sizeof full - 1);
	fuzz_seed(some, sizeof some - 1);
	fuzz_seed("", 0);
}

static void teardown(void)
{
	close(file);
	rmdir(dir);
}

static bool same(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (!a || strcmp(a, b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err err = {0};

	must(ftruncate(file, 0) == 0 && pwrite(file, data, len, 0) == (ssize_t)len);
	struct conf *c = conf_load(path, &err);
	must(c || (err.kind == ERR_INPUT && err.text[0] != '\0'));
	if (!c)
		return 0;
	must(conf_write(written, c, &err));
	struct conf *again = conf_load(written, &err);
	must(again != NULL && unlink(written) == 0);
	must(same(c->http, again->http) && same(c->listen, again->listen));
	must(c->workers == again->workers && c->workers <= CONF_WORKERS_MAX && c->log == again->log);
	must(c->scrub_s == again->scrub_s && c->scrub_s <= CONF_SCRUB_S_MAX);
	must(same(c->http_cert, again->http_cert) && same(c->http_key, again->http_key));
	must(c->http_per_address == again->http_per_address);
	for (size_t i = 0; i <= CONF_ORIGINS_MAX; i++)
		must(same(c->cors[i], again->cors[i]));
	must(c->protocol == again->protocol && c->protocol <= link_versions.highest);
	for (size_t i = 0; i < Q_REPLICAS_MAX; i++)
		must(same(c->peer[i], again->peer[i]));
	conf_free(c);
	conf_free(again);
	return 0;
}

const struct fuzz_target fuzz_target = {.name = "conf", .runs = 2500, .setup = setup, .teardown = teardown};
