/*
 * clean.c: text of others, made harmless.
 */
#include "clean.h"

#include <stdbool.h>

unsigned clean_active(const char *text, unsigned *which)
{
	const unsigned char *p = (const unsigned char *)text;
	if (p[0] < 0x20 || p[0] == 0x7f) {
		*which = p[0];
		return p[0] == '\0' ? 0 : 1;
	}
	if (p[0] >= 0xc2 && p[0] < 0xe0 && (p[1] & 0xc0) == 0x80) {
		*which = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
		return *which < 0xa0 || *which == 0x61c ? 2 : 0;
	}
	if (p[0] == 0xe2 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
		*which = 0x2000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
		bool order = *which == 0x200e || *which == 0x200f || (*which >= 0x2028 && *which <= 0x202e) ||
		             (*which >= 0x2066 && *which <= 0x2069);
		return order ? 3 : 0;
	}
	return 0;
}

void clean_text(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		unsigned which;
		for (unsigned len = clean_active(p, &which); len > 0; len--) {
			*p = '?';
			p += len > 1;
		}
	}
}
