/*
 * cmd_tx.h: parts of `quorate tx` that have files of their own.
 */
#ifndef QUORATE_CMD_TX_H
#define QUORATE_CMD_TX_H

int cmd_tx_submit(int argc, char **argv); /* cmd_submit.c */
int cmd_tx_show(int argc, char **argv);   /* cmd_tx_show.c */

#endif
