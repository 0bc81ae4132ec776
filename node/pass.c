/*
 * pass.c: passphrases of key files.
 */
#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define VARIABLE "QUORATE_PASSPHRASE_FILE"

/* Reads up to the end of the first line, without it. Returns false if it does not fit or nothing is there. */
static bool read_line(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return false;
		if (n == 0 || c == '\n')
			break;
		if (len + 1 == cap)
			return false;
		buf[len++] = c;
	}
	buf[len] = '\0';
	return len > 0;
}

static bool from_file(const char *file, char *buf, size_t cap, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_INPUT, "%s (from " VARIABLE "): cannot be opened: %s", file,
		               strerror(errno));
	bool ok = read_line(fd, buf, cap);
	close(fd);
	if (!ok)
		err_set(err, ERR_INPUT,
		        "%s (from " VARIABLE "): its first line must be a passphrase of 1 to %zu bytes", file,
		        cap - 1);
	return ok;
}

static volatile sig_atomic_t interrupted;
static void on_signal(int number)
{
	interrupted = number;
}

/* Without echo; a signal restores the terminal before it has its usual effect. */
static bool from_terminal(int tty, const char *prompt, const char *path, char *buf, size_t cap)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	enum { CNT = sizeof numbers / sizeof *numbers };
	struct sigaction action = {.sa_handler = on_signal}, old[CNT]; /* no SA_RESTART: read() returns */
	struct termios loud, quiet;
	if (tcgetattr(tty, &loud) != 0)
		return false;
	quiet = loud;
	quiet.c_lflag &= ~(tcflag_t)ECHO;

	interrupted = 0;
	for (size_t i = 0; i < CNT; i++)
		sigaction(numbers[i], &action, &old[i]);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "%s %s: ", prompt, path);
	bool ok = read_line(tty, buf, cap);
	dprintf(tty, "\n");
	tcsetattr(tty, TCSAFLUSH, &loud);
	for (size_t i = 0; i < CNT; i++)
		sigaction(numbers[i], &old[i], NULL);
	if (interrupted != 0)
		raise(interrupted);
	return ok && interrupted == 0;
}

bool pass_ask(void *ctx, const char *path, char *buf, size_t cap)
{
	struct err *err = ctx;
	const char *file = getenv(VARIABLE);
	if (file != NULL && file[0] != '\0')
		return from_file(file, buf, cap, err);
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return err_set(
		    err, ERR_INPUT,
		    "%s is encrypted and there is no terminal to ask for its passphrase; name a file that "
		    "holds it in " VARIABLE,
		    path);
	bool ok = from_terminal(tty, "Passphrase of", path, buf, cap);
	close(tty);
	if (!ok)
		err_set(err, ERR_INPUT, "%s: no passphrase was given", path);
	return ok;
}

bool pass_new(const char *path, char buf[PASS_MAX], struct err *err)
{
	const char *file = getenv(VARIABLE);
	if (file != NULL && file[0] != '\0')
		return from_file(file, buf, PASS_MAX, err);
	int tty = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	if (tty < 0)
		return err_set(
		    err, ERR_INPUT,
		    "%s: there is no terminal to ask for a passphrase; name a file that holds it in " VARIABLE
		    ", or say --plain to write the key unencrypted",
		    path);

	char again[PASS_MAX];
	bool ok = from_terminal(tty, "New passphrase for", path, buf, PASS_MAX) &&
	          from_terminal(tty, "The same again for", path, again, sizeof again);
	close(tty);
	if (!ok)
		err_set(err, ERR_INPUT, "%s: no passphrase was given", path);
	else if (strcmp(buf, again) != 0)
		ok = err_set(err, ERR_INPUT, "the two passphrases differ; nothing was written");
	sodium_memzero(again, sizeof again);
	return ok;
}

struct account *pass_read_account(const char *path, struct err *err)
{
	struct err why = {0};
	struct account *a = keyfile_read_account(path, pass_ask, &why, err);
	if (a == NULL && why.kind != ERR_NONE && err != NULL)
		*err = why;
	return a;
}

struct ident *pass_read_ident(const char *path, struct err *err)
{
	struct err why = {0};
	struct ident *id = keyfile_read_ident(path, pass_ask, &why, err);
	if (id == NULL && why.kind != ERR_NONE && err != NULL)
		*err = why;
	return id;
}
