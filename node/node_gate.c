/*
 * node_gate.c: how many of http's threads may work at a time: on transactions that the pool would have to
 * refuse, none; on answers to those who only ask, a few.
 */
#include <unistd.h>
#include <utlist.h>

#include "node_impl.h"

/* ---- room in the pool -------------------------------------------------------------------- */

/*
 * What is being verified will want its place: so it counts already, or 64 clients would each see the same one
 * free, and the workers check signatures all day whose transactions are refused.
 */
static size_t room_left(struct node *n, size_t taken)
{
	size_t room = replica_room(n->replica);
	return room > taken ? room - taken : 0;
}

bool node_has_room(struct node *n)
{
	return room_left(n, atomic_load(&n->room_taken)) > 0;
}

size_t node_room(struct node *n, size_t cnt)
{
	size_t taken = atomic_load(&n->room_taken), got;
	do {
		size_t left = room_left(n, taken);
		got = left < cnt ? left : cnt;
	} while (got > 0 && !atomic_compare_exchange_weak(&n->room_taken, &taken, taken + got));
	return got;
}

void node_room_back(struct node *n, size_t cnt)
{
	must(atomic_fetch_sub(&n->room_taken, cnt) >= cnt);
}

/* ---- turns --------------------------------------------------------------------------------- */

struct turn {
	pthread_cond_t granted;
	bool is_granted;
	struct turn *prev, *next;
};

/* Half of the cores, one at least: the workers and the replica's thread have as much to do as ever. */
static unsigned turns_max(struct node *n)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (n->turns_max == 0)
		n->turns_max = cores < 4 ? 1 : (unsigned)cores / 2;
	return n->turns_max;
}

/* With the lock held, in order of arrival. */
static bool wait_for_turn(struct node *n)
{
	struct timespec until = clock_timespec(node_now_ms() + CALL_TIMEOUT_MS);
	struct turn me = {0};
	cond_init(&me.granted);
	DL_APPEND(n->turns, &me);
	while (!me.is_granted && !n->stopping) {
		if (pthread_cond_timedwait(&me.granted, &n->lock, &until) != 0)
			break;
	}
	if (!me.is_granted)
		DL_DELETE(n->turns, &me);
	pthread_cond_destroy(&me.granted);
	return me.is_granted;
}

bool node_turn(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	bool ok = true;
	if (n->turns != NULL || n->turns_taken >= turns_max(n))
		ok = wait_for_turn(n);
	else
		n->turns_taken++;
	pthread_mutex_unlock(&n->lock);
	return ok;
}

void node_turn_end(struct node *n)
{
	pthread_mutex_lock(&n->lock);
	struct turn *next = n->turns;
	if (next != NULL) { /* who waits takes over */
		DL_DELETE(n->turns, next);
		next->is_granted = true;
		pthread_cond_signal(&next->granted);
	} else {
		must(n->turns_taken-- > 0);
	}
	pthread_mutex_unlock(&n->lock);
}

void gate_stop(struct node *n)
{
	struct turn *t;
	DL_FOREACH(n->turns, t)
	pthread_cond_signal(&t->granted);
}
