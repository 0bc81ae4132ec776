/*
 * log_file.h: standard error into a file that can be rotated.
 *
 *   mv node.log node.log.1; kill -HUP PID
 *
 * All that goes to standard error goes there, log lines (log.h) as well as what the libraries say.
 */
#ifndef QUORATE_LOG_FILE_H
#define QUORATE_LOG_FILE_H

#include "err.h"

/* From now on; the file is made (0600) or appended to.  `path` is borrowed for the rest of the process. */
bool log_file_open(const char *path, struct err *err);
bool log_file_is_open(void);

/*
 * The file of that name anew.  A line is in the old file or in the new one, whole, and none is lost.  Where
 * it cannot be opened the old one goes on, and says so.
 */
void log_file_reopen(void);

#endif
