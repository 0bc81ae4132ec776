/*
 * bench_tell.c: progress on a terminal, and whether Ctrl-C was pressed.
 */
#include "bench_tell.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static bool shown;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

void tell_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool tell_stopped(void)
{
	return stopped != 0;
}

void tell(const char *fmt, ...)
{
	if (!isatty(STDERR_FILENO))
		return;
	char text[160]; /* a longer one would wrap and not be overwritten */
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fprintf(stderr, "\r%.78s\033[K", text);
	shown = true;
}

void tell_end(void)
{
	if (shown)
		fprintf(stderr, "\r\033[K");
	shown = false;
}
