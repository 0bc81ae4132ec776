/*
 * clients_impl.h: the inside of the clients, shared by clients.c (those who pay) and clients_hostile.c (those
 * who cheat).
 *
 * A tick draws one number from its stream and works with a generator of its own that begins there, so
 * that a fault that is taken out of a run, or a machine that is down, changes nothing of what clients plan
 * later.
 */
#ifndef QUORATE_SIM_CLIENTS_IMPL_H
#define QUORATE_SIM_CLIENTS_IMPL_H

#include "check.h"
#include "clients.h"
#include "map.h"

#define HOSTILE_FIRST SIM_HONEST /* accounts from here on belong to those who cheat */
#define PLAN_INS 16
#define PLAN_OUTS Q_OUTPUTS_MAX

/* An output, as its owner remembers it. */
struct coin {
	struct qoutpoint point;
	uint64_t amount;
	unsigned account;
	struct deal *from; /* NULL: the genesis */
	struct qlock lock;
	uint64_t made; /* locked: height of its block */
};

struct coins {
	struct coin *list;
	size_t cnt, cap;
};

enum deal_kind { HONEST, HONEST_ALONE /* clients_pay(): one machine and no other */, HOSTILE };

/* A transaction that a client made. */
struct deal {
	struct tx *tx;
	unsigned number;
	enum deal_kind kind;
	bool invalid; /* breaks a rule that needs the ledger: nobody may accept it */
	bool taken;   /* somebody accepted it once */
	bool final, dead /* its expiry has passed without it */;
	unsigned tries, at; /* at: the machine that it was handed to last */
	uint64_t again_ms;  /* when it is handed in again */
	uint32_t
	    life[SIM_MACHINES_MAX]; /* the life in which a machine accepted it and said no more; 0: none */
	struct coin *ins;           /* honest: what it spends */
	size_t in_cnt;
	struct deal *prev, *next; /* clients.open */
	UT_hash_handle hh;        /* by tx->id; in order of making */
};

struct errand { /* a transaction to be handed in later */
	uint64_t at_ms;
	struct deal *deal;
	unsigned machine;
};

struct clients {
	struct sim *s;
	struct qaddress addresses[SIM_ACCOUNTS];
	struct deal *deals, *open; /* open: neither final nor dead */
	struct deal **finals;      /* some that are final, for those who replay */
	size_t final_cnt, final_cap;
	struct coins coins, loot; /* free outputs of honest clients; all that hostile ones ever had */
	/* Locked ones, on the chain: honest ones' that no transaction moves yet; some may be spent for all
	 * that (of replicas that may be convicted). Hostile ones': all that ever were. */
	struct coins locked, pledged;
	struct errand *errands;
	size_t errand_cnt, errand_cap;
	struct deal *unpaid;     /* clients_pay() could not hand it in: the next call tries it again */
	uint64_t settled_txs;    /* check_transactions() and */
	uint64_t settled_height; /* check_height() when the open ones were last looked through */
	uint64_t collude_rng;
	struct coin collude_coin;
	unsigned collude_cnt;
	const struct pace *pace;
	unsigned pace_left;      /* ticks */
	uint64_t quiet_since_ms; /* nothing became final since; or nothing waited */
	uint64_t lazy;           /* gaps are so many times as long */
	bool calm, armed;        /* armed: an EV_CLIENT is scheduled */
};

/* splitmix64 */
uint64_t client_draw(uint64_t *rng, uint64_t below);

/* What a transaction is made of. */
struct plan {
	struct coin ins[PLAN_INS];
	struct qoutput outs[PLAN_OUTS];
	unsigned in_cnt, out_cnt;
	const uint8_t *memo;
	uint8_t mark[8]; /* a memo that tells it from others */
	unsigned memo_len;
	uint64_t expiry;
	int signer;                     /* -1: the owners of the inputs */
	const struct qoffence *offence; /* NULL: none */
};
void plan_init(struct plan *d);          /* cheap: leaves the arrays as they are */
uint64_t plan_sum(const struct plan *d); /* of the inputs */
void plan_pay(const struct clients *c, struct plan *d, unsigned account, uint64_t amount);
void plan_lock(const struct clients *c, struct plan *d, unsigned account, uint64_t amount,
               enum qlock_kind kind, unsigned replica);
/* Parsed and signed; NULL: this very transaction was made before. */
struct deal *deal_make(struct clients *c, const struct plan *plan, enum deal_kind kind);
struct coin deal_output(const struct clients *c, struct deal *d, unsigned index);

/* Machines that take transactions now; returns how many. */
unsigned clients_machines(const struct clients *c, unsigned slots[SIM_MACHINES_MAX]);
/* Hands it in; *v what was said. False: there was no answer. */
bool deal_hand(struct clients *c, struct deal *d, unsigned slot, enum tx_verdict *v);

void coins_add(struct coins *list, const struct coin *coin);
struct coin coins_take(struct coins *list, size_t index);
/* An honest transaction that was made: what it pays out can be spent. */
void deal_count(struct clients *c, struct deal *d);
bool coin_is_final(const struct coin *coin);

/* ---- clients_stake.c ---- */
bool by_stake(const struct clients *c);
void stake_tick(struct clients *c, uint64_t *rng);

/* ---- clients_hostile.c ---- */
void hostile_tick(struct clients *c);

struct scene { /* of a deed */
	struct clients *c;
	uint64_t rng;
	unsigned slots[SIM_MACHINES_MAX],
	    slot_cnt; /* machines that take transactions, from a random one on */
};
uint64_t scene_draw(struct scene *e, uint64_t below);
/* To the i-th machine of the scene; NULL is fine. */
void scene_hand(struct scene *e, struct deal *d, unsigned i);
void scene_hand_to_all(struct scene *e, struct deal *d);
void scene_hand_later(struct scene *e, struct deal *d, uint64_t ms);
/* A free output of theirs, perhaps spent. */
bool scene_loot(const struct clients *c, uint64_t *rng, struct coin *coin);
unsigned scene_cheat(struct scene *e); /* an account of theirs */
/* All to one of theirs if nothing is paid out yet; the memo tells it from others that spend the same. */
struct deal *scene_finish(struct scene *e, struct plan *d);
/* As tx_make() would, without asking whether it keeps to the rules: nothing may come of it. */
void scene_present(struct scene *e, const char *what, const struct qtx_body *body, unsigned first_signer,
                   unsigned signer_cnt);

/* ---- clients_cheat.c ---- */
void cheat_with_locks(struct scene *e);
void cheat_with_stake(struct scene *e);
void cheat_with_offences(struct scene *e);

#endif
