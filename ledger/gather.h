/*
 * gather.h: a SQLite VFS that writes a WAL in large pieces.
 *
 * SQLite hands each page of a commit to the WAL in two writes, 24 bytes and the page, and the system calls
 * take longer than all else that a page of a commit costs.  They follow on one another, so they are gathered
 * here, and leave when SQLite asks for anything else of that file: at the latest for the sync that ends the
 * commit, before which nobody is told of those pages.  All other files are the system's VFS's own.
 */
#ifndef QUORATE_GATHER_H
#define QUORATE_GATHER_H

/* Its name, once it is registered; NULL: it could not be, and the system's must do. */
const char *gather_vfs(void);

#endif
