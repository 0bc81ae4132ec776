/*
 * clock.c: a library that LD_PRELOAD puts into the unmodified program: its wall clock is off by
 * QUORATE_CLOCK_OFF_S seconds. What it measures times with goes right.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t off_s(void)
{
	const char *text = getenv("QUORATE_CLOCK_OFF_S");
	return text != NULL ? (time_t)strtoll(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
	int rv = (int)syscall(SYS_clock_gettime, id, out);
	if (rv == 0 && id == CLOCK_REALTIME)
		out->tv_sec += off_s();
	return rv;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	int rv = clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return rv;
}

time_t time(time_t *out)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
