/*
 * traitor_list.h: what traitors do. X(identifier, name on the command line, what it does and what the
 * protocol holds against it). Yxx: the attack's number in the catalogue of Byzantine behaviours.
 * Transactions' nonces and changing membership do not exist on this protocol: the nearest meaningful thing
 * stands there (Y42, Y43).
 */
#ifndef QUORATE_SIM_TRAITOR_LIST_H
#define QUORATE_SIM_TRAITOR_LIST_H

/* clang-format off */
#define BEHAVIOURS(X) \
	/* traitor_primary.c */ \
	X(B_EQUIVOCATE, "equivocate-proposal", "Y01: proposes A to some and B to others, and votes for both [PP5, V2, Q]") \
	X(B_ALL_BUT_ONE, "propose-to-all-but-one", "Y02: its proposals pass one replica by, or all others but one [ST2, CE4]") \
	X(B_SKIP_HEIGHT, "skip-height", "Y03: proposes at tip+W+1, at the high watermark and above, at 2^63 [PP3]") \
	X(B_LEAVE_GAP, "leave-gap", "Y04: holds the proposal at a height back while those above it go out [CO1, T1]") \
	X(B_WRONG_ROOT, "wrong-root", "Y05: header and leaves do not belong together: root, count, format, proposer [PP7]") \
	X(B_HIDE_BODY, "hide-body", "Y06: proposes what nobody has and gives the body to some only [PR1, T1]") \
	X(B_INVALID_TX, "invalid-transaction", "Y07: a transaction that is invalid on the parent in a valid batch [PP10]") \
	X(B_REPLAY_TX, "replay-transaction", "Y08: a transaction that is final, in flight or twice in the block [PP7, PP10]") \
	X(B_CENSOR, "censor", "Y09: proposes nothing that came from some replicas, or leaves out some transactions [fairness]") \
	X(B_SLOW_PRIMARY, "slow-primary", "Y10: holds each proposal until just before the time-out [T1]") \
	X(B_WRONG_PARENT, "wrong-parent", "Y11: proposes on a wrong parent or one of an old view [PP6]") \
	X(B_EXTREME_TIME, "extreme-time", "Y12: proposes with times at and beyond every limit [PP8, PP9]") \
	X(B_OUT_OF_TURN, "propose-out-of-turn", "Y13: proposes when it is not primary, or in two views at once [PP1, PP2]") \
	X(B_GRIND, "grind-hash", "Y14: the lowest of many hashes, by times and nonces [a hash decides nothing]") \
	X(B_STOP_AT_QUORUM, "stop-after-prepares", "Y15: falls silent exactly when Q-1 have prepared [T1, NV3]") \
	X(B_OVER_BOUND, "propose-over-bound", "new: in a new view, other blocks where its NEW-VIEW binds [NV4, PP5]") \
	X(B_GHOSTS, "window-of-ghosts", "new: a window full of proposals whose bodies nobody has [PP3, T1]") \
	X(B_OVERSIZED, "oversized-block", "new: more leaves or transactions than a block may have [PP7, PP10]") \
	/* traitor_stake.c */ \
	X(B_BAD_SEAL, "bad-seal", "new: no seal, one that is none, a target that is too easy, too hard or not due [PP7, PP11]") \
	X(B_REUSE_SEAL, "reuse-seal", "new: another block's target and nonce; one sealed header in a second view [PP1, PP5, PP7]") \
	X(B_MINE_MANY, "mine-many", "new: seals several blocks for one height and gives one to each [PP5, V2, Q]") \
	X(B_WARP_TIME, "warp-time", "new: times that make the next target as easy or as hard as can be [PP8, PP9]") \
	X(B_STALE_TURNS, "stale-turns", "new: proposes when it would have the turn by old or unsettled stakes, or another count [PP1]") \
	X(B_JUMP_QUEUE, "jump-queue", "new: bonds all that it has and proposes at once [PP1: stakes are settled an epoch ahead]") \
	X(B_IDLE_TURN, "idle-turn", "new: lets its turns pass [T1]") \
	X(B_OFFEND_AND_LEAVE, "offend-and-leave", "new: votes twice and releases its stake before it is convicted [unbonding]") \
	X(B_HIDE_CONVICTION, "hide-conviction", "new: neither hears, hands on nor proposes what convicts [fairness]") \
	/* traitor_backup.c */ \
	X(B_DOUBLE_PREPARE, "double-prepare", "Y16: PREPARE for A to some and B to others [V2, Q]") \
	X(B_DOUBLE_COMMIT, "double-commit", "Y16: the same with COMMIT [V2, Q]") \
	X(B_COMMIT_UNPREPARED, "commit-unprepared", "Y17: COMMIT as soon as a proposal is seen [Q, CO1]") \
	X(B_VOTE_TO_SOME, "vote-to-some", "Y18: its votes reach some replicas only [CE1, ST4]") \
	X(B_SHIFTED_VOTE, "shifted-vote", "Y19: votes with view or height one off [V1, PR2]") \
	X(B_FLOOD_FUTURE, "flood-future", "Y20: floods of votes for far views and heights [V1]") \
	X(B_WRONG_CHECKPOINT, "wrong-checkpoint", "Y21: wrong digests, different ones to different peers [CP2, CP3]") \
	X(B_EARLY_CHECKPOINT, "early-checkpoint", "Y21: checkpoints of heights that nobody executed, or that are none [CP1, CP2]") \
	X(B_REPLAY_OWN, "replay-own", "Y22: says old things of its own again [V1, VC2, CP3]") \
	X(B_CLAIM_SENDER, "claim-sender", "Y23: says something in another's name [message_open]") \
	X(B_RETAG, "retag-signature", "Y24: the signature of one kind of message on another kind [kind in the signed body]") \
	X(B_COMMIT_TO_ONE, "commit-to-one", "new: COMMIT to one replica only; the others get it late or never [VC1, NV3]") \
	X(B_SILENT, "silent", "new: says nothing for a while [T1]") \
	X(B_STARVE, "starve", "new: votes in no view that others lead, and asks for the next, until it is primary [T1, T3]") \
	/* traitor_view.c */ \
	X(B_FORGED_PREPARED, "forged-prepared", "Y25: P with too few, doubled, mixed or foreign signatures [cert_verify]") \
	X(B_INFLATED_VIEW, "inflated-view", "Y26: P with a higher view on an old certificate [cert_verify]") \
	X(B_HIDE_PREPARED, "hide-prepared", "Y27: P without some or all of what it prepared [Q, NV3]") \
	X(B_HIDE_TIP, "hide-tip", "Y28: an old tip and checkpoint, with all that is known prepared above them [NV3]") \
	X(B_FORGED_CHECKPOINT, "forged-checkpoint", "Y28: tip or checkpoint too high, badly signed [cert_verify]") \
	X(B_TWO_VIEW_CHANGES, "two-view-changes", "Y29: different ones to different peers, all valid [VC2]") \
	X(B_VIEW_SPAM, "view-spam", "Y30: asks for views up to 2^64-1 [VC3]") \
	X(B_PUSH_VIEW, "push-view-change", "Y31: all traitors ask as soon as one honest replica does [VC3, T3]") \
	X(B_HUGE_VIEW_CHANGE, "huge-view-change", "Y32: everything that it knows prepared, a window full [bounds of P]") \
	X(B_PREPARED_AT_TARGET, "prepared-at-target", "Y33: P from the view asked for or later [message_open]") \
	X(B_STALE_PREPARED, "stale-prepared", "new: P from the lowest view that has a certificate for the height [NV3]") \
	/* traitor_lead.c */ \
	X(B_CHOOSE_CHANGES, "choose-changes", "Y34: the V that loses most of what was prepared (O follows from V) [NV3, Q]") \
	X(B_SHORT_NEW_VIEW, "short-new-view", "Y35: V with fewer than Q, doubled, unordered or for other views [message_open]") \
	X(B_TWO_NEW_VIEWS, "two-new-views", "Y36: two NEW-VIEWs with different V, both valid [NV2, Q]") \
	X(B_WITHHOLD_NEW_VIEW, "withhold-new-view", "Y37: its NEW-VIEW reaches some only [ST1, T3]") \
	X(B_LATE_NEW_VIEW, "late-new-view", "new: its NEW-VIEW comes at the last moment [T3]") \
	X(B_REPLAY_NEW_VIEW, "replay-new-view", "Y38: old NEW-VIEWs again [NV1]") \
	X(B_USURP, "usurp-new-view", "new: NEW-VIEW for a view that another leads [message_open]") \
	X(B_FORGED_CHANGE, "forged-change", "new: NEW-VIEW with a VIEW-CHANGE that was altered [message_open]") \
	/* traitor_sync.c */ \
	X(B_FORGED_CHAIN, "forged-chain", "Y39: CHAIN with too few or doubled signers, altered headers [cert_verify, CE4]") \
	X(B_HIDE_HEAD, "hide-head", "Y40: an old chain, validly certified, in answer [CE4, ST4]") \
	X(B_LYING_STATUS, "lying-status", "Y40: raises its tip and lowers it again, claims to have votes or not [ST2, ST4]") \
	X(B_WRONG_BODY, "wrong-body", "Y41: a block's hash with other, more, fewer or reordered transactions [CE4]") \
	X(B_SLOW_DRIP, "slow-drip", "Y41: answers late or never [others are asked in turn]") \
	X(B_FORK_SUFFIX, "fork-suffix", "Y42 (membership is fixed): a fork with votes for the real blocks [cert_verify]") \
	X(B_REQUEST_FLOOD, "request-flood", "Y41: asks for everything again and again [serving has a budget]") \
	X(B_FLOOD_TXS, "flood-transactions", "Y43 (as a peer): replayed, doubled, malformed transactions [verify, pool bounds]") \
	X(B_COLLUDE, "collude", "Y44: with a client: transactions dealt out to some, and proposed [PP10]") \
	/* traitor_evidence.c */ \
	X(B_FALSE_EVIDENCE, "false-evidence", "new: hands on what convicts nobody, or the honest, or itself without end [message_open, bounds]") \
	/* traitor_wire.c, traitor_twins.c */ \
	X(B_MUTATE, "mutate", "Y19 for every field of every message: off by one, 0, max, an old or another's value; lists") \
	X(B_FOREIGN_ENVELOPE, "foreign-envelope", "new: another chain's, a stranger's, not canonical [message_open]") \
	X(B_RELAY_OLD, "relay-old", "new: hands on what others said earlier [V1, VC2, NV1, OWN1]") \
	X(B_TWINS, "twins", "Y22: two machines with one key, each hearing a part of the world [Q]")
/* clang-format on */

#endif
