/*
 * log.c: the log. The one global state of the program: where lines go, and how many went.
 */
#include "log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define EVENTS_MAX 64 /* names; any more share the last place */
#define NAME_MAX_LEN 31

struct event {
	char name[NAME_MAX_LEN + 1];
	enum log_level level;
	uint64_t since_ms; /* this second */
	unsigned written;  /* in it */
	uint64_t suppressed;
};

static struct {
	pthread_mutex_t mutex; /* covers all */
	enum log_level level;
	int fd;
	uint64_t (*monotonic_ms)(void), (*wall_ms)(void);
	struct event events[EVENTS_MAX];
	unsigned event_cnt;
} sink = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *out)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_level_set(enum log_level level)
{
	pthread_mutex_lock(&sink.mutex);
	sink.level = level;
	pthread_mutex_unlock(&sink.mutex);
}

void log_redirect(int fd, uint64_t (*monotonic_ms)(void), uint64_t (*wall_ms)(void))
{
	pthread_mutex_lock(&sink.mutex);
	sink.fd = fd;
	sink.monotonic_ms = monotonic_ms;
	sink.wall_ms = wall_ms;
	sink.event_cnt = 0;
	pthread_mutex_unlock(&sink.mutex);
}

static uint64_t now_ms(clockid_t clock, uint64_t (*instead)(void))
{
	return instead != NULL ? instead() : clock_ms(clock);
}

/* ---- a line -------------------------------------------------------------------------------- */

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool quoted; /* within "..." */
	bool cut;
};

/* The last bytes are kept for what ends a line that was cut: `..."` and the newline. */
#define LINE_TEXT_MAX (LOG_LINE_MAX - 5)

static void put(struct line *l, const char *text, size_t len)
{
	if (l->cut || len > LINE_TEXT_MAX - l->len) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void put_escaped(struct line *l, char c)
{
	char hex[5];

	if (c == '"' || c == '\\') {
		put(l, (char[]){'\\', c}, 2);
	} else if (c == '\n') {
		put_text(l, "\\n");
	} else if (c < ' ' || c > '~' || (!l->quoted && (c == ' ' || c == '='))) {
		snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(unsigned char)c);
		put_text(l, hex);
	} else {
		put(l, &c, 1);
	}
}

static bool needs_quotes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\=", text[i]) != NULL)
			return true;
	return len == 0;
}

/* Text from outside: quoted if it is a whole value and has to be. */
static void put_value(struct line *l, const char *text, size_t len, bool whole)
{
	bool quote = !l->quoted && whole && needs_quotes(text, len);

	if (quote) {
		put_text(l, "\"");
		l->quoted = !l->cut;
	}
	for (size_t i = 0; i < len; i++)
		put_escaped(l, text[i]);
	if (quote) {
		put_text(l, "\"");
		l->quoted = l->quoted && l->cut;
	}
}

/* ---- the format -------------------------------------------------------------------------------- */

struct arguments {
	va_list ap;
};

/* A conversion, taken apart: "%-8.*llu". */
struct conversion {
	char spec[32]; /* for snprintf, with '*' filled in */
	int precision; /* -1: none */
	char length;   /* 0, 'l', 'L' (ll), 'z'; shorter ones are passed as int */
	char kind;
};

/* Reads the conversion at fmt (behind '%'); returns what follows it. */
static const char *parse_conversion(const char *fmt, struct arguments *args, struct conversion *c)
{
	size_t len = 0;

	*c = (struct conversion){.precision = -1};
	c->spec[len++] = '%';
	for (bool precision = false;; fmt++) {
		if (*fmt == '.') {
			precision = true;
			c->precision = 0;
		}
		if (*fmt == '*') {
			int n = va_arg(args->ap, int);
			if (precision)
				c->precision = n;
			len += (size_t)snprintf(c->spec + len, 12, "%d", n);
		} else if (*fmt != '\0' && strchr("-+ #.0123456789hlzjt", *fmt) != NULL) {
			if (precision && *fmt >= '0' && *fmt <= '9')
				c->precision = c->precision * 10 + (*fmt - '0');
			if (*fmt == 'l')
				c->length = c->length == 'l' ? 'L' : 'l';
			else if (*fmt == 'z' || *fmt == 'j' || *fmt == 't')
				c->length = 'z';
			c->spec[len++] = *fmt;
		} else {
			break;
		}
		must(len < sizeof(c->spec) - 14);
	}
	c->kind = *fmt;
	c->spec[len++] = *fmt;
	c->spec[len] = '\0';
	return fmt + 1;
}

static void put_number(struct line *l, const struct conversion *c, struct arguments *args)
{
	char text[64];

	/* The branches differ in their types. NOLINTBEGIN(bugprone-branch-clone) */
	if (c->kind == 'p')
		snprintf(text, sizeof(text), c->spec, va_arg(args->ap, void *));
	else if (c->length == 'l')
		snprintf(text, sizeof(text), c->spec, va_arg(args->ap, long));
	else if (c->length == 'L')
		snprintf(text, sizeof(text), c->spec, va_arg(args->ap, long long));
	else if (c->length == 'z')
		snprintf(text, sizeof(text), c->spec, va_arg(args->ap, size_t));
	else
		snprintf(text, sizeof(text), c->spec, va_arg(args->ap, int));
	/* NOLINTEND(bugprone-branch-clone) */
	put_text(l, text);
}

/* What the format says itself is ours and is taken as it is; what it brings in is escaped. */
static void put_format(struct line *l, const char *fmt, struct arguments *args)
{
	struct conversion c;
	char before = ' ';

	while (*fmt != '\0') {
		if (*fmt != '%' || fmt[1] == '%') {
			put(l, fmt, 1);
			if (*fmt == '"' && !l->cut)
				l->quoted = !l->quoted;
			before = *fmt;
			fmt += *fmt == '%' ? 2 : 1;
			continue;
		}
		fmt = parse_conversion(fmt + 1, args, &c);
		bool whole = before == '=' && (*fmt == ' ' || *fmt == '\0');
		if (c.kind == 's') {
			const char *text = va_arg(args->ap, const char *);
			if (text == NULL)
				text = "(null)";
			put_value(l, text,
			          c.precision >= 0 ? strnlen(text, (size_t)c.precision) : strlen(text),
			          whole);
		} else if (c.kind == 'c') {
			char letter = (char)va_arg(args->ap, int);
			put_value(l, &letter, 1, whole);
		} else {
			must(c.kind != '\0' && strchr("diuxXop", c.kind) != NULL);
			put_number(l, &c, args);
		}
		before = '\0';
	}
}

static void begin_line(struct line *l, enum log_level level)
{
	uint64_t ms = now_ms(CLOCK_REALTIME, sink.wall_ms);
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[64], when[32];

	*l = (struct line){.len = 0};
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "ts=%s.%03uZ level=%s event=", when, (unsigned)(ms % 1000),
	         level_names[level]);
	put_text(l, text);
}

/* With the mutex held. An error of the log itself has nowhere to go. */
static void end_line(struct line *l)
{
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
		if (l->quoted)
			l->text[l->len++] = '"';
	}
	l->text[l->len++] = '\n';
	if (write(sink.fd, l->text, l->len) < 0)
		return;
}

/* ---- how many ------------------------------------------------------------------------------------ */

/* With the mutex held. */
static struct event *find_event(const char *fmt)
{
	char name[NAME_MAX_LEN + 1];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(fmt, " %"), fmt);
	for (unsigned i = 0; i < sink.event_cnt; i++)
		if (strcmp(sink.events[i].name, name) == 0)
			return &sink.events[i];
	if (sink.event_cnt == EVENTS_MAX)
		return &sink.events[EVENTS_MAX - 1];
	struct event *e = &sink.events[sink.event_cnt++];
	*e = (struct event){0};
	memcpy(e->name, name, sizeof(name));
	return e;
}

/* With the mutex held: tells of what was left out in seconds that are over. */
static void tell_suppressed(uint64_t now)
{
	struct line l;

	for (unsigned i = 0; i < sink.event_cnt; i++) {
		struct event *e = &sink.events[i];
		char text[80];

		if (e->suppressed == 0 || now < e->since_ms + 1000)
			continue;
		begin_line(&l, e->level);
		snprintf(text, sizeof(text), "suppressed of=%s count=%llu", e->name,
		         (unsigned long long)e->suppressed);
		put_text(&l, text);
		end_line(&l);
		e->suppressed = 0;
	}
}

/* With the mutex held: may one more line of this event be written? */
static bool admit(const char *fmt, enum log_level level, uint64_t now)
{
	struct event *e = find_event(fmt);

	if (e->written == 0 || now >= e->since_ms + 1000) {
		e->since_ms = now;
		e->written = 0;
	}
	e->level = level;
	if (e->written == LOG_LINES_A_SECOND) {
		e->suppressed++;
		return false;
	}
	e->written++;
	return true;
}

static void write_line(enum log_level level, const char *fmt, struct arguments *args)
{
	struct line l;

	pthread_mutex_lock(&sink.mutex);
	if (level >= sink.level) {
		uint64_t now = now_ms(CLOCK_MONOTONIC, sink.monotonic_ms);

		tell_suppressed(now);
		if (admit(fmt, level, now)) {
			begin_line(&l, level);
			put_format(&l, fmt, args);
			end_line(&l);
		}
	}
	pthread_mutex_unlock(&sink.mutex);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	struct arguments args;

	va_start(args.ap, fmt);
	write_line(level, fmt, &args);
	va_end(args.ap);
}

void log_effect(void *ctx, const char *level, const char *fmt, ...)
{
	struct arguments args;
	enum log_level parsed = LOG_ERROR;

	(void)ctx;
	must(log_level_parse(level, &parsed));
	va_start(args.ap, fmt);
	write_line(parsed, fmt, &args);
	va_end(args.ap);
}
