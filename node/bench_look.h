/*
 * bench_look.h: what processes, nodes and the machine say of themselves, before and after.
 */
#ifndef QUORATE_BENCH_LOOK_H
#define QUORATE_BENCH_LOOK_H

#include <sys/types.h>

#include "bench.h"
#include "http.h"

/* ---- a process ------------------------------------------------------------------------------------ */

struct look_thread {
	int tid;
	char name[16];
	uint64_t ns; /* of CPU time so far */
};
/* A zeroed one is a process that has not begun. */
struct look_process {
	pid_t pid;
	uint64_t ns;           /* of CPU time so far, of all its threads, those that ended too */
	uint64_t rss, written; /* bytes of memory; bytes that went to the disk */
	size_t cnt;
	struct look_thread *thread; /* those alive; owned */
};
/* From /proc. False: there is no such process, or nothing can be learnt of it. */
bool look_process(pid_t pid, struct look_process *out);
void look_process_free(struct look_process *p);
/* Bytes of memory now; 0: not known. */
uint64_t look_rss(pid_t pid);

/* CPU time by name of thread, in ns, what was between a and b: added to that of the names that are there.
 * `a` may be of another process, which ended: then all of b counts. */
struct look_roles {
	unsigned cnt;
	struct {
		char name[16];
		double ns;
	} role[BENCH_ROLES_MAX];
	double ns; /* the sum */
};
void look_roles_name(struct look_roles *r, const char *name, double ns);
void look_roles_add(struct look_roles *r, const struct look_process *a, const struct look_process *b);
/* A share of it each, most first. */
unsigned look_roles_share(const struct look_roles *r, double txs, struct bench_role out[BENCH_ROLES_MAX]);

/* ---- the machine ---------------------------------------------------------------------------------- */

struct look_machine {
	uint64_t total, idle; /* CPU time, ticks of any length */
	unsigned cores;
};
bool look_machine(struct look_machine *out);

/* ---- a node --------------------------------------------------------------------------------------- */

struct look_node {
	uint64_t height, view, view_changes, mempool;
	uint64_t link_bytes; /* that it sent to its peers; UINT64_MAX: it does not say */
};
/* From /metrics. */
bool look_node(struct http_client *c, struct look_node *out, struct err *err);

#endif
