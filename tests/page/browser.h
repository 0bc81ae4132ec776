/*
 * browser.h: a real browser for a test: chromium without a window, one process, spoken to over two pipes in
 * the DevTools protocol.
 *
 * QUORATE_CHROMIUM names the program, else it is `chromium` of the PATH.  Its profile is a directory of its
 * own that goes with it; nothing of it reaches a network but what a test asks it to open.  Nothing here
 * sleeps to wait: it waits for the answer or the event, with a deadline that is only there so that a broken
 * browser fails the test instead of hanging it.
 */
#ifndef QUORATE_TEST_BROWSER_H
#define QUORATE_TEST_BROWSER_H

#include <jansson.h>
#include <stdbool.h>

/* A stranger's memo: markup, an override of the writing's direction, a control and a line's end. */
#define MEMO "<img src=x onerror=alert(1)> \xe2\x80\xae evil\x1b\nsecond line"
#define MEMO_SHOWN "<img src=x onerror=alert(1)> \\u{202e} evil\\u{1b}\nsecond line"

#define BROWSER_PATIENCE_MS 120000

struct browser;

/* Is there a chromium to start?  If not, says so on stdout. */
bool browser_there(void);
struct browser *browser_open(void);
void browser_close(struct browser *b);

/* One command of the protocol; takes `params` (NULL: none).  Its result, json_decref() it; an error fails the
 * test. */
json_t *browser_call(struct browser *b, const char *method, json_t *params);

/* Opens an address and waits until it is loaded. */
void browser_goto(struct browser *b, const char *url);

/* The value of a JavaScript expression, awaited if it is a promise; an exception fails the test. */
json_t *browser_value(struct browser *b, const char *expression);
/* The same with the text of a value: free() it. */
char *browser_text(struct browser *b, const char *expression);
/* Is its value true? */
bool browser_true(struct browser *b, const char *expression);
/* Waits until the expression is true, asking again whenever the page has changed. */
void browser_wait(struct browser *b, const char *expression);

/* Chooses a file for the <input> that the selector finds, as a person does. */
void browser_choose(struct browser *b, const char *selector, const char *path);
/* Drops files where the middle of that element is. paths ends with NULL. */
void browser_drop(struct browser *b, const char *selector, const char *const paths[]);
/* Presses a key that is known by this name, e.g. "Tab". */
void browser_key(struct browser *b, const char *key, int code);

/* A picture of the whole page, as NAME.png in the directory that PAGE_PICTURES names; without it, none. */
void browser_picture(struct browser *b, const char *name);

/* Errors and warnings of the console since the last navigation, one a line; "": none. */
const char *browser_complaints(const struct browser *b);

#endif
