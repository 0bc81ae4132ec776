/*
 * suspect.c: see suspect.h.
 */
#include "suspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "newfile.h"
#include "text.h"
#include "wholefile.h"

#define MARK_MAX 4096

bool suspect_mark(const char *path, const struct err *why, struct err *err)
{
	char when[32];
	time_t now = time(NULL);
	struct tm utc;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	char *text = text_format("%s %s\n", when, why->text);
	bool ok = newfile_write(path, 0644, text, strlen(text)) || errno == EEXIST ||
	          err_set(err, ERR_WORLD, "%s: cannot be written: %s", path, strerror(errno));
	free(text);
	return ok;
}

bool suspect_read(const char *path, char **why)
{
	struct err err = {0};
	*why = NULL;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return false;
	*why = wholefile_read(path, MARK_MAX, NULL, &err);
	if (*why == NULL)
		*why = xstrdup(err.text);
	(*why)[strcspn(*why, "\n")] = '\0';
	return true;
}

bool suspect_clear(const char *path, struct err *err)
{
	return unlink(path) == 0 || errno == ENOENT ||
	       err_set(err, ERR_WORLD, "%s: cannot be removed: %s", path, strerror(errno));
}
