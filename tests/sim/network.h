/*
 * network.h: the links between machines, as the nemesis bends them.
 */
#ifndef QUORATE_SIM_NETWORK_H
#define QUORATE_SIM_NETWORK_H

#include "sim.h"

/* One direction between two machines. */
struct link_state {
	bool cut;          /* nothing passes */
	uint64_t slow_ms;  /* added to each delay */
	unsigned loss_ppm; /* beside the network's own */
	uint64_t last_ms;  /* arrival of the last: messages do not overtake unless they are made to */
};

#define RECORD_MAX 256 /* packets kept for replays */

struct network {
	uint64_t delay_min_ms, delay_max_ms;
	unsigned loss_ppm, duplicate_ppm, reorder_ppm, replay_ppm, corrupt_ppm;
	struct link_state links[SIM_MACHINES_MAX][SIM_MACHINES_MAX];
	struct packet *record[RECORD_MAX]; /* a sample of everything that was ever sent */
	uint64_t recorded;
};

void network_start(struct sim *s); /* makes sim->network; rates by the seed */
void network_free(struct sim *s);
void network_heal(struct sim *s); /* links are whole and quick; what is under way stays so */
#define NETWORK_CALM_DELAY_MS 20  /* no message takes longer after network_heal() */

#endif
