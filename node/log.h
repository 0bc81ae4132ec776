/*
 * log.h: the log: one logfmt line an event, on stderr.
 *
 *   log_warn("refused reason=\"%s\" sender=%u", text, i);
 *   ts=2026-01-02T03:04:05.678Z level=warn event=refused reason="bad signature" sender=2
 *
 * The format is the event's name, then key=VALUE pairs.  What a %s brings in is escaped, and quoted where it
 * has to be, so that no peer's or user's text can end a value or a line.  Thread-safe: a line is one
 * write(2). Of one event at most LOG_LINES_A_SECOND lines a second are written, so that a peer cannot fill
 * the disk; how many were left out is logged later, as `event=suppressed of=NAME count=N`.
 */
#ifndef QUORATE_LOG_H
#define QUORATE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINES_A_SECOND 10
#define LOG_LINE_MAX 2048 /* a longer one is cut */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

/* What is below it is not written; at first LOG_INFO. */
void log_level_set(enum log_level level);

/* Conversions: all of printf's but floats, %n and %ls. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* The same with the level as text ("warn"): what struct replica_effects wants. ctx is not used. */
void log_effect(void *ctx, const char *level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* For tests: where lines go, and the clocks (ms; NULL: the real ones). */
void log_redirect(int fd, uint64_t (*monotonic_ms)(void), uint64_t (*wall_ms)(void));

#endif
