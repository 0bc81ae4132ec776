/*
 * page.h: the page that verifies receipts in a browser, as CMake makes it of its parts (page.cmake).
 */
#ifndef QUORATE_PAGE_H
#define QUORATE_PAGE_H

extern const unsigned char page_verify[]; /* ends with a NUL that the length does not count */
extern const unsigned long page_verify_len;
/* Content-Security-Policy: the page's own script and style, by their hashes, and nothing else. */
extern const char page_policy[];

#endif
