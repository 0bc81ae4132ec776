/*
 * bench_look.c: what processes, nodes and the machine say of themselves, before and after.
 */
#include "bench_look.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* ---- files of /proc ------------------------------------------------------------------------------- */

/* At most cap - 1 bytes of a file, as text. */
static bool slurp(char *text, size_t cap, const char *path)
{
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	size_t len = fread(text, 1, cap - 1, f);
	fclose(f);
	text[len] = '\0';
	return len > 0;
}

/* The number behind "NAME:" at the beginning of a line. */
static uint64_t named(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

/* So many numbers one after the other; how many there were. */
static size_t numbers(const char *text, uint64_t *out, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		char *end;
		out[i] = strtoull(text, &end, 10);
		if (end == text)
			return i;
		text = end;
	}
	return cnt;
}

/* User and system time of /proc/.../stat: fields 14 and 15, after the name in brackets and a letter. */
static bool stat_ns(const char *path, uint64_t *ns)
{
	char text[1024];
	uint64_t fields[15 - 3];
	const char *after = slurp(text, sizeof text, path) ? strstr(text, ") ") : NULL;
	for (const char *next = after; next != NULL;
	     next = strstr(after + 1, ") ")) /* a name may have brackets */
		after = next;
	if (after == NULL || strlen(after) < 3 || numbers(after + 3, fields, 12) != 12)
		return false;
	*ns = (fields[10] + fields[11]) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	return true;
}

/* ---- a process ------------------------------------------------------------------------------------ */

static bool look_thread(pid_t pid, int tid, struct look_thread *t)
{
	char path[96], text[128];
	*t = (struct look_thread){.tid = tid};
	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, tid);
	if (!slurp(t->name, sizeof t->name, path))
		return false;
	t->name[strcspn(t->name, "\n")] = '\0';
	/* To the nanosecond where the kernel keeps it, else to the tick. */
	snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, tid);
	if (slurp(text, sizeof text, path)) {
		t->ns = strtoull(text, NULL, 10);
		return true;
	}
	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, tid);
	return stat_ns(path, &t->ns);
}

static void look_threads(struct look_process *p)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task", (int)p->pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return;
	size_t cap = 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		uint64_t tid;
		if (!text_u64(e->d_name, INT32_MAX, &tid))
			continue;
		if (p->cnt == cap) {
			cap = 2 * cap + 16;
			p->thread = xrealloc(p->thread, cap * sizeof *p->thread);
		}
		if (look_thread(p->pid, (int)tid, &p->thread[p->cnt]))
			p->cnt++;
	}
	closedir(dir);
}

uint64_t look_rss(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return slurp(text, sizeof text, path) ? named(text, "VmRSS") * 1024 : 0;
}

bool look_process(pid_t pid, struct look_process *out)
{
	char path[64], text[1024];
	*out = (struct look_process){.pid = pid};
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (pid <= 0 || !stat_ns(path, &out->ns))
		return false;
	look_threads(out);
	out->rss = look_rss(pid);
	snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
	out->written = slurp(text, sizeof text, path) ? named(text, "write_bytes") : 0;
	return true;
}

void look_process_free(struct look_process *p)
{
	free(p->thread);
	p->thread = NULL;
	p->cnt = 0;
}

static uint64_t thread_ns(const struct look_process *p, int tid)
{
	for (size_t i = 0; i < p->cnt; i++) {
		if (p->thread[i].tid == tid)
			return p->thread[i].ns;
	}
	return 0;
}

void look_roles_name(struct look_roles *r, const char *name, double ns)
{
	unsigned i = 0;
	while (i < r->cnt && strcmp(r->role[i].name, name) != 0)
		i++;
	if (i == BENCH_ROLES_MAX)
		i--; /* the last one stands for what comes after it, too */
	else if (i == r->cnt)
		snprintf(r->role[r->cnt++].name, sizeof r->role[i].name, "%s", name);
	r->role[i].ns += ns;
	r->ns += ns;
}

void look_roles_add(struct look_roles *r, const struct look_process *a, const struct look_process *b)
{
	static const struct look_process none;
	double lived = 0;
	if (a->pid != b->pid)
		a = &none;
	for (size_t i = 0; i < b->cnt; i++) {
		uint64_t before = thread_ns(a, b->thread[i].tid), ns = b->thread[i].ns;
		double used = ns > before ? (double)(ns - before) : 0; /* its number may be another's now */
		look_roles_name(r, b->thread[i].name, used);
		lived += used;
	}
	/* The process is counted in ticks: what is below some of them may be rounding. */
	double all = b->ns > a->ns ? (double)(b->ns - a->ns) : 0;
	if (all - lived > 0.03e9)
		look_roles_name(r, "ended", all - lived);
}

static int most_first(const void *a, const void *b)
{
	double x = ((const struct bench_role *)a)->us_per_tx, y = ((const struct bench_role *)b)->us_per_tx;
	return (x < y) - (x > y);
}

unsigned look_roles_share(const struct look_roles *r, double txs, struct bench_role out[BENCH_ROLES_MAX])
{
	for (unsigned i = 0; i < r->cnt; i++) {
		memcpy(out[i].name, r->role[i].name, sizeof out[i].name);
		out[i].us_per_tx = txs > 0 ? r->role[i].ns / 1000 / txs : 0;
	}
	qsort(out, r->cnt, sizeof *out, most_first);
	return r->cnt;
}

/* ---- the machine ---------------------------------------------------------------------------------- */

bool look_machine(struct look_machine *out)
{
	char text[512];
	uint64_t t[8] = {0};
	if (!slurp(text, sizeof text, "/proc/stat") || strncmp(text, "cpu ", 4) != 0 ||
	    numbers(text + 4, t, 8) < 4)
		return false;
	*out = (struct look_machine){.idle = t[3] + t[4]};
	for (size_t i = 0; i < 8; i++)
		out->total += t[i];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	out->cores = cores > 0 ? (unsigned)cores : 1;
	return true;
}

/* ---- a node --------------------------------------------------------------------------------------- */

/* The sample of a family without labels. */
static bool sample(const char *text, const char *name, uint64_t *out)
{
	size_t len = strlen(name);
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != ' ' ||
		    !isdigit((unsigned char)line[len + 1]))
			continue;
		*out = strtoull(line + len + 1, NULL, 10);
		return true;
	}
	return false;
}

bool look_node(struct http_client *c, struct look_node *out, struct err *err)
{
	char *text;
	size_t len;
	int status;
	if (!http_call(c, "/metrics", NULL, NULL, 0, &status, &text, &len, err))
		return false;
	*out = (struct look_node){0};
	bool ok = status == 200 && sample(text, "quorate_height", &out->height) &&
	          sample(text, "quorate_view", &out->view) &&
	          sample(text, "quorate_view_changes_total", &out->view_changes) &&
	          sample(text, "quorate_mempool_transactions", &out->mempool);
	if (!sample(text, "quorate_link_sent_bytes_total", &out->link_bytes))
		out->link_bytes = UINT64_MAX;
	free(text);
	return ok || err_set(err, ERR_WORLD, "/metrics is answered by %d, or lacks the height", status);
}
