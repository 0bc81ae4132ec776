/*
 * page.h: the pages that nodes serve, as CMake makes them of their parts (page.cmake).
 */
#ifndef QUORATE_PAGE_H
#define QUORATE_PAGE_H

/* Texts end with a NUL that their lengths do not count. Content-Security-Policies allow a page its own script
 * and style, by their hashes, and nothing else; the explorer may also ask the node that it came from. */
extern const unsigned char page_verify[], page_explorer[], page_openapi[];
extern const unsigned long page_verify_len, page_explorer_len, page_openapi_len;
extern const char page_verify_policy[], page_explorer_policy[];

#endif
