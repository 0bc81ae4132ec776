/*
 * clean.h: text of others, made harmless before a person sees it on a terminal.
 */
#ifndef QUORATE_CLEAN_H
#define QUORATE_CLEAN_H

/*
 * How many bytes of UTF-8 are a character that a terminal acts on rather than shows, and which one; 0: none.
 * Beside the control characters those that change the order of what is read, with which a memo could make an
 * amount look like another.
 */
unsigned clean_active(const char *text, unsigned *which);

/* Every byte of such a character becomes a '?'. */
void clean_text(char *text);

#endif
