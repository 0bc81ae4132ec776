/*
 * aside.c: see aside.h.
 */
#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

enum { SECOND_MAX = 1000 }; /* folders of one second */

/* Of a database, the file itself first. Its -shm is an index to the WAL and made anew. */
static const char *const endings[] = {"", "-wal", "-journal"};
enum { FILES = sizeof endings / sizeof *endings };

struct aside {
	const char *path;               /* of the ledger */
	char *file[FILES];              /* its files, */
	char *second[FILES];            /* and their second names */
	char *shm, *unfinished, *place; /* the folder of the second names; the one of all */
};

static struct aside aside_of(const char *path)
{
	struct aside a = {.path = path,
	                  .shm = text_format("%s-shm", path),
	                  .unfinished = text_format("%s.replaced-unfinished", path)};
	char *copies[] = {xstrdup(path), xstrdup(path)};
	const char *name = basename(copies[0]);
	a.place = xstrdup(dirname(copies[1]));
	for (size_t i = 0; i < FILES; i++) {
		a.file[i] = text_format("%s%s", path, endings[i]);
		a.second[i] = text_format("%s/%s%s", a.unfinished, name, endings[i]);
	}
	free(copies[0]);
	free(copies[1]);
	return a;
}

static void aside_free(struct aside *a)
{
	for (size_t i = 0; i < FILES; i++) {
		free(a->file[i]);
		free(a->second[i]);
	}
	free(a->shm);
	free(a->unfinished);
	free(a->place);
}

/* ---- files and names --------------------------------------------------------------------- */

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static bool is_same(const char *a, const char *b)
{
	struct stat one, two;
	return lstat(a, &one) == 0 && lstat(b, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}

static bool failed(const char *path, const char *what, struct err *err)
{
	return err_set(err, ERR_WORLD, "%s: cannot be %s: %s", path, what, strerror(errno));
}

static bool take_away(const char *path, struct err *err)
{
	return unlink(path) == 0 || errno == ENOENT || failed(path, "taken out of its folder", err);
}

/* A folder's names, on disk. */
static bool sync_folder(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		failed(path, "written to disk", err);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- steps ------------------------------------------------------------------------------- */

static bool make_folder(const struct aside *a, struct err *err)
{
	struct stat st;
	if (mkdir(a->unfinished, 0700) != 0)
		return failed(a->unfinished, "made", err);
	/* Root does this for the user whom the home belongs to. */
	if (geteuid() == 0 && (stat(a->place, &st) != 0 || lchown(a->unfinished, st.st_uid, st.st_gid) != 0))
		return failed(a->unfinished, "given to the owner of its folder", err);
	return true;
}

static bool give_second_names(const struct aside *a, struct err *err)
{
	for (size_t i = 0; i < FILES; i++)
		if (is_there(a->file[i]) && link(a->file[i], a->second[i]) != 0)
			return failed(a->file[i], "given a second name", err);
	return sync_folder(a->unfinished, err) && sync_folder(a->place, err);
}

/* Of those files that have a second name. The index first: a new ledger must not find it. */
static bool take_first_names(const struct aside *a, struct err *err)
{
	if ((!is_there(a->file[0]) || is_same(a->file[0], a->second[0])) && !take_away(a->shm, err))
		return false;
	for (size_t i = 0; i < FILES; i++)
		if (is_same(a->file[i], a->second[i]) &&
		    (!take_away(a->file[i], err) || !sync_folder(a->place, err)))
			return false;
	return true;
}

static bool name_folder(const struct aside *a, char **folder, struct err *err)
{
	char when[32];
	time_t now = time(NULL);
	struct tm utc;
	strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	char *name = text_format("%s.replaced-%s", a->path, when);
	for (unsigned i = 2; rename(a->unfinished, name) != 0; i++) {
		free(name);
		if ((errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) || i > SECOND_MAX)
			return failed(a->unfinished, "given its name", err);
		name = text_format("%s.replaced-%s-%u", a->path, when, i);
	}
	free(*folder);
	*folder = name;
	return sync_folder(a->place, err);
}

/* ---- what another one began ---------------------------------------------------------------- */

/* Nothing was taken away yet: what loses its name first has it still. (Its WAL may be gone since: folded.) */
static bool only_begun(const struct aside *a)
{
	for (size_t i = 0; i < FILES; i++)
		if (is_there(a->second[i]))
			return is_same(a->file[i], a->second[i]);
	return true;
}

static bool undo(const struct aside *a, struct err *err)
{
	for (size_t i = 0; i < FILES; i++)
		if (!take_away(a->second[i], err))
			return false;
	return rmdir(a->unfinished) == 0 || failed(a->unfinished, "removed", err);
}

static bool settle(const struct aside *a, char **folder, struct err *err)
{
	if (!is_there(a->unfinished))
		return true;
	if (only_begun(a))
		return undo(a, err);
	return take_first_names(a, err) && name_folder(a, folder, err);
}

/* -------------------------------------------------------------------------------------------- */

static bool any_there(const struct aside *a)
{
	for (size_t i = 0; i < FILES; i++)
		if (is_there(a->file[i]))
			return true;
	return false;
}

bool aside_move(const char *path, char **folder, struct err *err)
{
	struct aside a = aside_of(path);
	*folder = NULL;
	bool ok = settle(&a, folder, err);
	if (ok && any_there(&a))
		ok = make_folder(&a, err) && give_second_names(&a, err) && take_first_names(&a, err) &&
		     name_folder(&a, folder, err);
	else if (ok)
		ok = take_away(a.shm, err);
	aside_free(&a);
	return ok;
}
