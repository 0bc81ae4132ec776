/*
 * bench_tell.h: progress on a terminal, and whether Ctrl-C was pressed.
 */
#ifndef QUORATE_BENCH_TELL_H
#define QUORATE_BENCH_TELL_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM and SIGHUP are only remembered. */
void tell_catch_signals(void);
bool tell_stopped(void);

/* A line that the next one overwrites; nothing where stderr is no terminal. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Removes it. */
void tell_end(void);

#endif
