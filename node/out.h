/*
 * out.h: what commands print: JSON, tables, colours.
 *
 * Colours only on a terminal and never with NO_COLOR.
 */
#ifndef QUORATE_OUT_H
#define QUORATE_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Prints one JSON value and a newline on stdout, what clean_text() removes as escapes; takes the reference.
 */
void out_json_take(json_t *value);

enum out_style { OUT_PLAIN, OUT_GOOD, OUT_BAD, OUT_DIM, OUT_BOLD };
/* The escape sequence that begins (OUT_PLAIN: ends) a style on this stream, or "". */
const char *out_style(FILE *to, enum out_style style);

/* A line about what is going on, on stderr. */
void out_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "name   value" on stdout, names aligned in a column of `width`; cleaned. */
void out_field(int width, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A table on stdout: cells are copied and cleaned, columns as wide as their widest cell. */
struct out_table;
struct out_table *out_table_new(size_t columns, const char *const *head);
void out_table_cell(struct out_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_table_style(struct out_table *t, enum out_style style); /* of the cell added last */
void out_table_end(struct out_table *t);                         /* prints and frees */

#endif
