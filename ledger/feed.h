/*
 * feed.h: rows of a program as the table `feed` of a connection: db.h's db_feed().
 */
#ifndef QUORATE_FEED_H
#define QUORATE_FEED_H

#include "db.h"

/* Registers it; *feed, which must outlive the connection, says where its rows come from. */
int feed_register(sqlite3 *handle, struct feed *feed);

#endif
