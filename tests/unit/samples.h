/*
 * samples.h: one value of every message and record of the schema, small, fixed, and unlike its
 * neighbours in every field, for the tests of the codec.  Nothing is on the heap: do not free.
 */
#ifndef QUORATE_SAMPLES_H
#define QUORATE_SAMPLES_H

#include "wire.h"

/* clang-format off */
#define HASH(x) {{[0] = (x), [31] = 0x0f}}
#define SIG(x) {{[0] = (x), [63] = 0x0e}}
#define POW(x) {QSEAL_POW, {.pow = {{{[3] = (x), [31] = 0x0d}}, 0x0102030405060708}}}
/* clang-format on */

static struct qcert_sig sample_sigs[] = {{0, SIG(0xa0)}, {2, SIG(0xa2)}, {3, SIG(0xa3)}};
static struct qcert_sig sample_one_sig[] = {{1, SIG(0xb1)}};
static struct qheader sample_headers[] = {
    {1, {5}, HASH(0x51), HASH(0x52), 2, 3, 1700000000001, {QSEAL_NONE}},
    {1, {6}, HASH(0x61), HASH(0x62), 1, 0, 1700000000002, POW(0x63)},
};
static struct qhash sample_hashes[] = {HASH(0x71), HASH(0x72)};
static qtx_bytes sample_txs[] = {
    {3, (unsigned char[]){1, 2, 3}},
    {0, NULL},
    {8, (unsigned char[]){8, 7, 6, 5, 4, 3, 2, 1}},
};
static struct qcert sample_certs[] = {
    {QCOMMIT, {{1}, {4}, HASH(0x41), HASH(0)}, {3, sample_sigs}},
    {QCHECKPOINT, {{0}, {64}, HASH(0x42), HASH(0x43)}, {1, sample_one_sig}},
};
static struct qprepared sample_prepared[] = {
    {{1, {5}, HASH(0x51), HASH(0x52), 2, 3, 1700000000001, {QSEAL_NONE}},
     {QPREPARE, {{2}, {5}, HASH(0x53), HASH(0)}, {3, sample_sigs}}},
};
static struct qenvelope sample_envelopes[] = {
    {HASH(0xc0), 0, {5, (unsigned char[]){1, 2, 3, 4, 5}}, SIG(0xd0)},
    {HASH(0xc0), 3, {4, (unsigned char[]){6, 7, 8, 9}}, SIG(0xd3)},
};
static struct qevidence sample_evidence[] = {
    {QEV_CONFLICT,
     {.conflict = {{HASH(0xc0), 1, {2, (unsigned char[]){10, 11}}, SIG(0xd4)},
                   {HASH(0xc0), 1, {2, (unsigned char[]){10, 12}}, SIG(0xd5)}}}},
};
static struct qslot_status sample_slots[] = {{TRUE, 0xf, 0x8000000000000001}, {FALSE, 0, 2}};
static struct qoutpoint sample_inputs[] = {{HASH(0x11), 0}, {HASH(0x12), 7}};
static struct qoutput sample_outputs[] = {
    {{{0x21, [19] = 0x22}}, 9223372036854775807, {QLOCK_NONE}},
    {{{0x23}}, 1, {QLOCK_STAKE, {.replica = 5}}},
    {{{0x24}}, 2, {QLOCK_RELEASE, {.replica = 6}}},
    {{{0x25}}, 3, {QLOCK_FROZEN, {.replica = 7}}},
};
static struct qoffence sample_offences[] = {{4,
                                             QCHECKPOINT,
                                             {{0}, {64}, HASH(0x94), HASH(0x95)},
                                             {{0}, {64}, HASH(0x94), HASH(0x96)},
                                             SIG(0x97),
                                             SIG(0x98)}};
static struct qwitness sample_witnesses[] = {{{{2, [32] = 0x31}}, SIG(0x32)}};
static struct qaddress sample_account[] = {{{0x82, [19] = 0x83}}};
static struct qreplica sample_replicas[] = {
    {"alpha", HASH(0x81), "tcp://10.0.0.1:7400", {1, sample_account}},
    {"beta", HASH(0x84), "tcp://10.0.0.2:7400", {0, NULL}},
};
static struct qstake sample_stakes[] = {{9223372036854775806, 1}, {0, 7}};
static struct qheight sample_convicted[] = {{0}, {300}};
static struct qtable sample_tables[] = {{{0}, {2, sample_stakes}}, {{256}, {1, sample_stakes + 1}}};

static struct qintroduction sample_introduction[] = {
    {{Q_CERTIFICATE, 3, 1700000000003, 1700000600003, {2, (unsigned char[]){7, 8}}}, SIG(0xe4)}};

/* clang-format off */
#define VOTE {{9}, {300}, HASH(0x90), HASH(0)}
#define PROPOSAL {{7}, {1, {6}, HASH(0x61), HASH(0x62), 2, 1, 1700000000002, {QSEAL_NONE}}, \
		  {2, sample_hashes}, SIG(0xe1)}
#define MESSAGE(kind, member, ...) \
	{#kind, WIRE_INIT(qmessage), &(struct qmessage){kind, {.member = __VA_ARGS__}}}
#define RECORD(t, ...) {#t, WIRE_INIT(t), &(struct t)__VA_ARGS__}
/* clang-format on */

struct sample {
	const char *name;
	struct wire_type type;
	const void *value;
};

static const struct sample samples[] = {
    MESSAGE(QPRE_PREPARE, proposal, PROPOSAL),
    MESSAGE(QPREPARE, vote, VOTE),
    MESSAGE(QCOMMIT, vote, VOTE),
    MESSAGE(QCHECKPOINT, vote, {{0}, {64}, HASH(0x91), HASH(0x92)}),
    MESSAGE(QVIEW_CHANGE, view_change, {{3}, {1, sample_certs}, {1, sample_certs + 1}, {1, sample_prepared}}),
    MESSAGE(QNEW_VIEW, new_view, {{3}, {2, sample_envelopes}}),
    MESSAGE(QSTATUS, status, {{4}, {3}, {70}, {69}, {64}, 0xc, {2, sample_slots}}),
    MESSAGE(QTXS, txs, {{3, sample_txs}}),
    MESSAGE(QGET_TXS, get_txs, {{2, sample_hashes}}),
    MESSAGE(QGET_CHAIN, get_chain, {{77}}),
    MESSAGE(QCHAIN, chain, {{2, sample_headers}, {QCOMMIT, VOTE, {3, sample_sigs}}}),
    MESSAGE(QGET_BODIES, get_bodies, {{2, sample_hashes}}),
    MESSAGE(QBODY, body, {HASH(0x93), {3, sample_txs}}),
    MESSAGE(QGET_EVIDENCE, get_evidence, {78}),
    MESSAGE(QEVIDENCE, evidence, {79, {1, sample_evidence}}),
    RECORD(
        qtx,
        {{{2, sample_inputs}, {4, sample_outputs}, {2, (unsigned char *)"hi"}, {1000}, {1, sample_offences}},
         {1, sample_witnesses}}),
    RECORD(qframe, {{2, sample_envelopes}}),
    RECORD(qhello, {1,
                    2,
                    HASH(0x94),
                    3,
                    "quorate 0.1.0",
                    {2, sample_hashes},
                    {1, sample_introduction},
                    {1, (unsigned char[]){9}}}),
    RECORD(qblock, {{1, {6}, HASH(0x61), HASH(0x62), 3, 0, 1700000000002, {QSEAL_NONE}}, {3, sample_txs}}),
    RECORD(qjournal,
           {QJ_EVIDENCE,
            {.evidence = {QEV_DOUBLE_SPEND,
                          {.double_spend = {{3, (unsigned char[]){1, 2, 3}}, {1, (unsigned char[]){4}}}}}}}),
    RECORD(qevidence, {QEV_FORK,
                       {.fork = {{{2, sample_headers}, {QCOMMIT, VOTE, {3, sample_sigs}}},
                                 {{0, NULL}, {QCHECKPOINT, VOTE, {1, sample_one_sig}}},
                                 {2, sample_envelopes}}}}),
    RECORD(qreceipt, {HASH(0xc0),
                      {3, (unsigned char[]){1, 2, 3}},
                      1,
                      {2, sample_hashes},
                      {2, sample_headers},
                      {QCOMMIT, VOTE, {3, sample_sigs}}}),
    RECORD(qgenesis, {1,
                      "sample chain",
                      1700000000000,
                      {64, 16, 2000, 1048576, 1000, 64000, 5000, 20000, 4096},
                      {QSEAL_POW, {.pow = {20, 24, 1500, 3000000}}},
                      {QPROPOSER_STAKE, {.stake = {254, 2, 3, 1016, 50, 10}}},
                      {2, sample_replicas},
                      {2, sample_outputs}}),
    RECORD(qsuccessor, {{2,
                         "heir",
                         1700000000003,
                         {64, 16, 2000, 1048576, 1000, 64000, 5000, 20000, 4096},
                         {QSEAL_NONE},
                         {QPROPOSER_PRIMARY},
                         {0, NULL},
                         {1, sample_outputs}},
                        {HASH(0xc0), {77}, HASH(0x44), HASH(0x45)}}),
    RECORD(qstaking, {{2, sample_stakes}, {2, sample_convicted}, {2, sample_tables}}),
};
#define SAMPLE_CNT (sizeof samples / sizeof samples[0])

#endif
