/*
 * sim.h: the simulator: a whole chain in one process and one thread on virtual time. Everything in it follows
 * from a seed: which faults there are, when they strike, who the traitors are and what clients ask for.
 * The replicas are the node's own objects (node/replica.c) on disks in memory; nothing of them is stood for
 * but the signature and hash functions, and those only in nine seeds of ten.
 *
 *   sim.c        the world: made from a seed, time, the run through its phases
 *   options.c    what a seed and the command line choose
 *   founding.c   the chain that follows: its genesis
 *   machine.c    a replica's computer: start, turn, power loss, pause, clocks
 *   mining.c     proof of work on virtual time
 *   network.c    links between machines: loss, delay, duplicates, partitions, replays
 *   nemesis.c    when which fault strikes
 *   disk.c       SQLite files in memory that lose, tear, fill up and rot
 *   standin.c    cheap stand-ins for hashes and signatures
 *   clients.c    honest clients and hostile ones
 *   traitor*.c   the adversary that holds the traitors' keys
 *   check*.c     the checkers; they share no code with what they check
 *   heal.c       what has to happen once the faults end
 *   trace.c      the run as text, and its hash
 *   sweep.c      many seeds on many cores;  shrink.c: the shortest run that still fails
 *
 * Time is in milliseconds. A run has three phases:
 *
 *     storm    faults strike, traitors and clients do their worst; only safety is checked
 *     calm     faults have ended, machines are up again, traitors go on; progress is checked against bounds
 *     audit    all has come to rest: ledgers are compared and recomputed from the genesis
 */
#ifndef QUORATE_SIM_H
#define QUORATE_SIM_H

#include <stdio.h>

#include "account.h"
#include "genesis.h"
#include "ident.h"
#include "replica.h"
#include "verify.h"

/* A set of up to 128 things, by number. */
__extension__ typedef unsigned __int128 sim_set;
#define SIM_SET_MAX 128

static inline sim_set sim_set_of(unsigned i)
{
	return (sim_set)1 << i;
}
static inline bool sim_set_has(sim_set set, unsigned i)
{
	return set >> i & 1;
}
static inline sim_set sim_set_below(unsigned cnt) /* all from 0 to cnt - 1 */
{
	return cnt == SIM_SET_MAX ? ~(sim_set)0 : sim_set_of(cnt) - 1;
}

#define SIM_MINING_MAX_MS 30000 /* no genesis asks for more at its hash rate */

/* ---- chains ------------------------------------------------------------------------------------ */

/* What blocks need, and who proposes. ANY: the seed chooses. X(identifier, name on the command line, what it
 * is)
 */
#define SIM_SEALS(X)                                                 \
	X(SIM_SEAL_NONE, "none", "blocks need no seal")              \
	X(SIM_SEAL_POW, "pow", "proof of work below a fixed target") \
	X(SIM_SEAL_RETARGET, "retarget", "proof of work whose target follows the time between blocks")
enum sim_seal {
	SIM_SEAL_ANY,
#define X(id, name, text) id,
	SIM_SEALS(X)
#undef X
	    SIM_SEAL_END
};

#define SIM_PROPOSERS(X)                                                      \
	X(SIM_PROPOSER_PRIMARY, "primary", "the primary of the view")         \
	X(SIM_PROPOSER_STAKE, "stake", "all replicas in turn by their stake") \
	X(SIM_PROPOSER_DELEGATED, "delegated", "a few, elected by delegations")
enum sim_proposer {
	SIM_PROPOSER_ANY,
#define X(id, name, text) id,
	SIM_PROPOSERS(X)
#undef X
	    SIM_PROPOSER_END
};

/* ---- faults ------------------------------------------------------------------------------------ */

/* Classes of faults; each seed enables a random subset. X(identifier, name on the command line, what it is)
 */
#define SIM_FAULTS(X)                                                                             \
	X(FAULT_LOSS, "loss", "a link loses messages")                                            \
	X(FAULT_DUPLICATE, "duplicate", "a message arrives twice")                                \
	X(FAULT_DELAY, "delay", "a link is slow for a while")                                     \
	X(FAULT_REORDER, "reorder", "messages overtake each other")                               \
	X(FAULT_REPLAY, "replay", "anything recorded earlier arrives again")                      \
	X(FAULT_CORRUPT, "corrupt", "bits of a message flip")                                     \
	X(FAULT_PARTITION, "partition", "links are cut: one way, ring, one alone, halves")        \
	X(FAULT_CRASH, "crash", "power is lost at any point; what was not synced may be gone")    \
	X(FAULT_PAUSE, "pause", "a process stands still, up to ten minutes")                      \
	X(FAULT_CLOCK, "clock", "a wall clock is wrong, jumps or stands; a monotonic one drifts") \
	X(FAULT_STORE, "store", "a disk is full or fails")                                        \
	X(FAULT_ROT, "rot", "bits of a disk flip, to be found later, or its syncs are lies")      \
	X(FAULT_WIPE, "wipe", "a disk is lost, or an old copy of it comes back")                  \
	X(FAULT_TRAITOR, "traitor", "replicas under the adversary's control")                     \
	X(FAULT_CLIENT, "client", "clients that cheat")
enum sim_fault {
#define X(id, name, text) id,
	SIM_FAULTS(X)
#undef X
	    FAULT_CNT
};

/* A range of strikes, by number, both ends included. */
struct sim_range {
	uint64_t first, last;
};

struct sim_options {
	uint64_t seed;
	unsigned n;         /* replicas; 0: the seed chooses */
	uint64_t storm_ms;  /* length of the storm; 0: the seed chooses */
	int64_t faults;     /* bit FAULT_*; -1: the seed chooses */
	sim_set behaviours; /* by behaviour (traitor.h): what traitors may do; none: the seed chooses */
	enum sim_seal seal;
	enum sim_proposer proposer;
	bool healthy;        /* nothing is wrong, and all parameters but time-outs are as by default */
	bool no_budget;      /* for tests: time-outs as if mining took no time */
	unsigned mining_ms;  /* that a seal takes on average at the hash rate promised; 0: the seed chooses */
	int real_crypto;     /* 1, 0; -1: the seed chooses (one in ten) */
	bool unchecked_calm; /* stop after the storm */
	unsigned load;       /* honest transactions a second, evenly; 0: the seed chooses */
	const struct sim_range *without; /* strikes that do not happen, ascending */
	size_t without_cnt;
	FILE *trace;  /* every event as a line; NULL: none */
	bool verbose; /* the replicas' log lines are in the trace, too (they do not count for its hash) */
};

/* What was delivered of one kind of message, all receivers counted. */
struct sim_traffic {
	uint64_t messages, bytes;
	uint64_t replica_checks; /* signatures of replicas that they had to check; with stand-ins only */
	uint64_t txs; /* in them: transactions whose signatures they had to check, unless they had them */
};
#define SIM_KINDS (QEVIDENCE + 1)

struct sim_result {
	uint64_t seed, events, virtual_ms, strikes;
	uint64_t blocks, transactions; /* final, on the agreed chain */
	uint64_t view_changes;         /* greatest of the honest replicas' */
	uint64_t convictions;          /* on the agreed chain */
	uint64_t trace_hash;
	unsigned violations;                   /* 0 or 1: a run ends at its first */
	char violation[512];                   /* checker: what, where, when */
	char *states;                          /* a line for each replica at the end; free() it */
	uint64_t throughput_txs;               /* transactions final in the storm */
	uint64_t storm_blocks;                 /* blocks likewise */
	struct sim_traffic traffic[SIM_KINDS]; /* in the storm */
	uint64_t
	    commit_gap_ms; /* longest time in the storm in which something waited and nothing became final */
	uint64_t storm_ms; /* what was chosen, as all that follows */
	uint64_t faults;
	sim_set behaviours;
	enum sim_seal seal;
	enum sim_proposer proposer;
	unsigned n;
	uint64_t traitors; /* mask */
	bool real_crypto;
};

/* Runs one simulation. Total: whatever the options. */
void sim_run(const struct sim_options *o, struct sim_result *result);

/* ---- the world ----------------------------------------------------------------------------------- */

#define SIM_REPLICAS_MAX 31
#define SIM_FAULTY_MAX 16                       /* replicas, where there may be traitors, or stake */
#define SIM_MACHINES_MAX (2 * SIM_REPLICAS_MAX) /* a traitor may run on two machines with one key */
#define SIM_WALL_MS UINT64_C(1700000000000) /* true wall clock at virtual time 0; also the genesis' time */
#define SIM_HONEST 16   /* accounts of honest clients; then those who cheat, and the adversary's */
#define SIM_ACCOUNTS 22 /* room for a traitor's each, of 16 replicas */

struct sim;
struct disk;

/* Sent once, delivered to many, perhaps again and again. */
struct packet {
	unsigned refs;
	uint64_t number; /* in order of sending */
	unsigned from;   /* machine that sent it */
	enum qkind kind;
	struct message *message; /* opened by verify_envelope() as each receiver would; NULL: it is refused */
	struct verified verified; /* .message is the same as above */
	enum open_verdict verdict;
	struct sim_traffic cost; /* to each receiver */
};

/* What happens at a moment. */
struct sim_event {
	uint64_t at_ms, number; /* order: time, then number */
	enum { EV_DELIVER, EV_POWER, EV_CLIENT, EV_NEMESIS, EV_TRAITOR } kind;
	unsigned machine;
	struct packet *packet;
};

struct machine {
	struct sim *sim;
	unsigned slot; /* index in sim->machines; messages name machines by it */
	unsigned id;   /* the replica that it is: slot for the first n, the twin's identity above */
	struct disk *disk;
	struct replica *replica; /* NULL: down */
	bool running;            /* a process is there, perhaps just opening or closing its files */
	unsigned lives;          /* starts */
	bool woken;              /* due a turn */
	bool kill;               /* only the process dies next time: what was written stays, synced or not */
	bool off;                /* power went in the middle of a turn: nothing it does from there happened */
	int64_t points;          /* numbered points left until the power goes; -1: it stays */
	uint64_t point_cnt;      /* numbered points passed in this life */
	uint64_t down_until_ms;  /* UINT64_MAX: until somebody starts it */
	uint64_t paused_until_ms;
	struct packet **waiting; /* for a paused machine, in order */
	size_t waiting_cnt, waiting_cap;
	int64_t wall_skew_ms, wall_frozen_ms; /* frozen: the wall clock's reading; 0: it runs */
	int32_t drift_ppm;                    /* of the monotonic clock */
	uint64_t mono_ms, mono_seen_ms;       /* its reading, and when it was taken */
	bool eager;                           /* a turn after each message, not after each moment */
	bool spoiled; /* its disk broke a promise: one of the f until the run ends; how: */
	bool wiped, restored, rotten;
	uint64_t hash_rate; /* tries a second */
	struct {
		bool on;
		struct qheader header;
		uint64_t due_ms; /* when its nonce is found */
	} mining;
	char stopped[256]; /* why the replica stopped by itself last; "": it did not */
};

struct sim {
	struct sim_options o;
	struct sim_result *result;
	enum { STORM, CALM, AUDIT } phase;
	uint64_t now_ms;
	uint64_t faults; /* bit FAULT_*: enabled in this run */
	bool storm;      /* strikes may happen */
	struct genesis g;
	unsigned n, f, q;
	struct ident *ids[SIM_REPLICAS_MAX];
	struct account *accounts[SIM_ACCOUNTS];
	unsigned staker[SIM_REPLICAS_MAX]; /* each replica's account: an honest one's if the replica is */
	struct verify_cache *cache;
	struct machine machines[SIM_MACHINES_MAX];
	unsigned machine_cnt;
	uint64_t traitors;       /* replicas */
	struct sim_event *queue; /* a heap */
	size_t queue_cnt, queue_cap;
	uint64_t event_numbers, packet_numbers;
	uint64_t random[FAULT_CNT + 8]; /* streams: one a fault class, then enum sim_stream */
	uint64_t strikes;
	bool broken; /* a checker spoke: result->violation */
	struct network *network;
	struct nemesis *nemesis;
	struct clients *clients;
	struct traitor *traitor;
	struct checks *checks;
	struct trace *trace;
};

/* Is replica id (not machine) honest? Spoiled ones are. */
static inline bool sim_honest(const struct sim *s, unsigned id)
{
	return !(s->traitors >> id & 1);
}
/* Replicas that are traitors or spoiled: at most f. */
unsigned sim_faulty(const struct sim *s);

/* ---- chance ---------------------------------------------------------------------------------------- */

enum sim_stream {
	STREAM_SETUP = FAULT_CNT,
	STREAM_NETWORK,
	STREAM_CLIENT,
	STREAM_TRAITOR,
	STREAM_MACHINE,
	STREAM_CHECK,
	STREAM_MINING
};

/* Uniform in [0, below), below > 0. Integers only: the same everywhere. */
uint64_t sim_random(struct sim *s, unsigned stream, uint64_t below);
/*
 * Does a fault of this class strike now, with this chance in a million? Draws from the class's stream in any
 * case. Strikes are numbered over the whole run; one that the options exclude does not happen. Never true
 * outside the storm or for a class that is not enabled. (FAULT_TRAITOR: in the calm, too.)
 */
bool sim_strikes(struct sim *s, enum sim_fault fault, unsigned per_million);

/* ---- events ------------------------------------------------------------------------------------------ */

void sim_at(struct sim *s, uint64_t at_ms, struct sim_event e);

/* Writes result->states: a line for each machine as it is. */
void sim_describe(struct sim *s);

/* A violation: "checker: what, where". The first stands; the run ends with the present event. */
void sim_broken(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- trace.c ------------------------------------------------------------------------------------------ */

/* Part of the run's identity: every line counts for the hash, so it must not hold addresses, sizes of
 * structs or anything else that differs between machines. */
void trace_line(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- machine.c ----------------------------------------------------------------------------------------- */

void machine_init(struct sim *s, unsigned slot, unsigned id);
void machine_free(struct machine *m);
bool machine_start(struct machine *m); /* false: it could not open its files; it tries again later */
void machine_stop(struct machine *m);  /* in order: closed between two turns */
/* The power goes, now or in the middle of a later turn after `points` numbered points. */
void machine_power_off(struct machine *m, uint64_t points, uint64_t down_ms);
void machine_deliver(struct machine *m, struct packet *p);
void machine_turn(struct machine *m);
/* A verified transaction of a client; false: there was no answer: it stands still, or the
 * power went. The machine is up. */
bool machine_submit(struct machine *m, struct tx *tx, enum tx_verdict *v, struct qheight *height,
                    struct qtxid *winner);
void machine_clock(struct machine *m); /* tells its replica the time; wakes it if its deadline has come */
void machine_drift(struct machine *m,
                   int32_t ppm);               /* its monotonic clock is that much too fast from now on */
uint64_t machine_due(const struct machine *m); /* virtual time at which it wants a turn */
static inline bool machine_up(const struct machine *m)
{
	return m->replica && !m->off;
}

/* ---- network.c ------------------------------------------------------------------------------------------
 */

struct packet *packet_new(struct sim *s, unsigned from, const struct qenvelope *env); /* copies; opens it */
void packet_unref(struct packet *p);
/* On its way to the machines of the mask (bit slot), with whatever the links do to it. Borrows p. */
void network_send(struct sim *s, struct packet *p, uint64_t machines);
/* As the machine `from` to replicas: what an honest machine's send effect and the adversary both use. */
void network_send_message(struct sim *s, unsigned from, struct message *m, uint64_t replicas);
/* Machines that are replica id (two where it has a twin). */
uint64_t network_machines_of(const struct sim *s, uint64_t replicas);

/* ---- clients.c: see clients.h ---- check*.c: see check.h ---- traitor*.c: see traitor.h -------------------
 */

#endif
