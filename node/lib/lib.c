/*
 * lib.c: errors, arguments, files, version.
 */
#include "lib.h"

#include <stdio.h>
#include <string.h>

#include "wholefile.h"

const char *quorate_version(void)
{
	return QUORATE_VERSION;
}

bool lib_given(const void *argument, const char *name, struct err *err)
{
	return argument != NULL || err_set(err, ERR_INPUT, "%s is NULL", name);
}

int lib_fail(struct quorate_error *error, const struct err *err)
{
	if (error != NULL) {
		*error = (struct quorate_error){.code = (int)err->kind};
		snprintf(error->text, sizeof error->text, "%s", err->text);
	}
	return (int)err->kind;
}

void lib_reason(struct quorate_error *error, const char *reason, const char *spent_by)
{
	if (error == NULL)
		return;
	snprintf(error->reason, sizeof error->reason, "%s", reason);
	snprintf(error->spent_by, sizeof error->spent_by, "%s", spent_by);
}

bool lib_address(const char text[QUORATE_ADDRESS_SIZE], struct qaddress *out, struct err *err)
{
	char copy[QUORATE_ADDRESS_SIZE + 1];
	snprintf(copy, sizeof copy, "%.*s", QUORATE_ADDRESS_SIZE, text);
	return address_parse(copy, out, err);
}

char *lib_file(const char *path, size_t max, size_t *len, struct err *err)
{
	return wholefile_read(strcmp(path, "-") == 0 ? "./-" : path, max, len, err);
}
