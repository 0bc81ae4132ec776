/*
 * arena.h: a heap that can be saved and put back.  Between arena_enter() and arena_leave() every allocation
 * of this process, of whatever library, comes from one block of memory at one address.  A saved heap is a
 * list of chunks, each kept once however many heaps share it; put back, all pointers in it are valid again.
 *
 * It defines malloc() and its kin for the program that links it: glibc only.
 */
#ifndef QUORATE_ARENA_H
#define QUORATE_ARENA_H

#include <stddef.h>
#include <stdint.h>

void arena_enter(void);
void arena_leave(void);

void arena_clear(void);
/* The first thing allocated after arena_clear(). */
void *arena_root(void);

uint32_t arena_save(void);
void arena_load(uint32_t id);

/* Bytes kept for all that was saved. */
size_t arena_kept(void);

#endif
