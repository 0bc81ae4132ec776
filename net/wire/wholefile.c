/*
 * wholefile.c: reading a whole file that somebody gave.
 */
#include "wholefile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *wholefile_read(const char *path, size_t max, size_t *len, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	if (f == NULL) {
		err_set(err, ERR_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
		return NULL;
	}

	char *data = NULL;
	size_t have = 0, cap = 0, got = 0;
	do {
		if (cap - have < 2) {
			cap = cap == 0 ? 4096 : cap * 2;
			data = xrealloc(data, cap);
		}
		got = fread(data + have, 1, cap - have - 1, f);
		have += got;
	} while (got > 0 && have <= max);
	bool failed = ferror(f) != 0;
	int error = errno;
	if (!is_stdin)
		fclose(f);

	if (failed || have > max) {
		if (failed)
			err_set(err, ERR_INPUT, "%s: cannot be read: %s", name, strerror(error));
		else
			err_set(err, ERR_INPUT, "%s: larger than %zu bytes", name, max);
		free(data);
		return NULL;
	}
	data[have] = '\0';
	if (len != NULL)
		*len = have;
	return data;
}
