/*
 * out.c: what commands print: JSON, tables, colours.
 */
#include "out.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "err.h"

void out_json_take(json_t *value)
{
	must(value != NULL);
	char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15)); /* 0.1 is 0.1 */
	must(text != NULL);
	for (const char *p = text; *p != '\0';) {
		unsigned which, len = clean_active(p, &which);
		if (len > 0 && which >= 0x7f) /* below, Jansson has escaped them */
			printf("\\u%04x", which), p += len;
		else
			putchar(*p++);
	}
	putchar('\n');
	free(text);
	json_decref(value);
}

const char *out_style(FILE *to, enum out_style style)
{
	const char *no_color = getenv("NO_COLOR");
	if (!isatty(fileno(to)) || (no_color != NULL && no_color[0] != '\0'))
		return "";
	switch (style) {
	case OUT_PLAIN:
		return "\033[0m";
	case OUT_GOOD:
		return "\033[32m";
	case OUT_BAD:
		return "\033[31m";
	case OUT_DIM:
		return "\033[2m";
	case OUT_BOLD:
		return "\033[1m";
	}
	return "";
}

void out_note(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static char *clean_format(const char *fmt, va_list ap)
{
	char *text = NULL;
	must(vasprintf(&text, fmt, ap) >= 0);
	clean_text(text);
	return text;
}

void out_field(int width, const char *name, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = clean_format(fmt, ap);
	va_end(ap);
	printf("%s%-*s%s %s\n", out_style(stdout, OUT_DIM), width, name, out_style(stdout, OUT_PLAIN), text);
	free(text);
}

struct out_table {
	size_t columns, cell_cnt, cell_cap;
	struct cell {
		char *text;
		enum out_style style;
	} * cells;
};

struct out_table *out_table_new(size_t columns, const char *const *head)
{
	struct out_table *t = xcalloc(1, sizeof *t);
	t->columns = columns;
	for (size_t i = 0; i < columns; i++) {
		out_table_cell(t, "%s", head[i]);
		out_table_style(t, OUT_DIM);
	}
	return t;
}

void out_table_cell(struct out_table *t, const char *fmt, ...)
{
	if (t->cell_cnt == t->cell_cap) {
		t->cell_cap = t->cell_cap == 0 ? 64 : 2 * t->cell_cap;
		t->cells = xrealloc(t->cells, t->cell_cap * sizeof *t->cells);
	}
	struct cell *cell = &t->cells[t->cell_cnt++];
	cell->style = OUT_PLAIN;
	va_list ap;
	va_start(ap, fmt);
	cell->text = clean_format(fmt, ap);
	va_end(ap);
}

void out_table_style(struct out_table *t, enum out_style style)
{
	must(t->cell_cnt > 0);
	t->cells[t->cell_cnt - 1].style = style;
}

static size_t column_width(const struct out_table *t, size_t column)
{
	size_t width = 0;
	for (size_t i = column; i < t->cell_cnt; i += t->columns) {
		size_t len = strlen(t->cells[i].text);
		width = len > width ? len : width;
	}
	return width;
}

void out_table_end(struct out_table *t)
{
	must(t->columns > 0);
	size_t *widths = xcalloc(t->columns, sizeof *widths);
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i < t->cell_cnt; i++) {
		const struct cell *cell = &t->cells[i];
		bool last = i % t->columns == t->columns - 1 || i == t->cell_cnt - 1;
		int pad = last ? 0 : (int)(widths[i % t->columns] - strlen(cell->text)) + 2;
		const char *off = cell->style == OUT_PLAIN ? "" : out_style(stdout, OUT_PLAIN);
		const char *on = cell->style == OUT_PLAIN ? "" : out_style(stdout, cell->style);
		printf("%s%s%s%*s%s", on, cell->text, off, pad, "", last ? "\n" : "");
	}
	for (size_t i = 0; i < t->cell_cnt; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(widths);
	free(t);
}
