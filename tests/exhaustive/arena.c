/* arena.c: see arena.h. */
#include "arena.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "err.h"

#define ARENA_SIZE (1u << 20)
#define CHUNK 256u
#define ALIGN 16u
#define SMALL_CLASSES 64u /* sizes in steps of ALIGN; above: powers of two */
#define CLASSES (SMALL_CLASSES + 1 + 24)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t cnt, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);
/* glibc declares these with attributes that other compilers do not know in a definition. */
void *malloc(size_t size);
void *calloc(size_t cnt, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);

struct block_head {
	size_t class;
	struct block_head *next; /* of those that are free */
};
_Static_assert(sizeof(struct block_head) == ALIGN, "what is given out is aligned");

struct heap {
	size_t used; /* bytes from the start of the arena */
	struct block_head *free[CLASSES];
};

static union {
	struct heap heap;
	uint8_t bytes[ARENA_SIZE];
} arena __attribute__((aligned(4096)));
static bool inside;

#define FIRST ((sizeof(struct heap) + ALIGN - 1) / ALIGN * ALIGN)

static size_t class_of(size_t size)
{
	size_t units = (size + ALIGN - 1) / ALIGN;
	if (units <= SMALL_CLASSES)
		return units;
	size_t class = SMALL_CLASSES + 1;
	for (size_t room = 2 * SMALL_CLASSES; room < units; room *= 2)
		class ++;
	return class;
}

static size_t room_of(size_t class)
{
	return ALIGN * (class <= SMALL_CLASSES ? class : SMALL_CLASSES << (class - SMALL_CLASSES));
}

static bool owns(const void *p)
{
	return (const uint8_t *)p >= arena.bytes && (const uint8_t *)p < arena.bytes + ARENA_SIZE;
}

static void *take(size_t size)
{
	size_t class = class_of(size ? size : 1), room = room_of(class);
	struct block_head *b = arena.heap.free[class];
	if (b) {
		arena.heap.free[class] = b->next;
		b->next = NULL;
		return b + 1; /* all zero */
	}
	must(arena.heap.used + sizeof *b + room <= ARENA_SIZE);
	b = (struct block_head *)(void *)(arena.bytes + arena.heap.used);
	arena.heap.used += sizeof *b + room;
	b->class = class;
	b->next = NULL;
	return memset(b + 1, 0, room);
}

static void give(void *p)
{
	struct block_head *b = (struct block_head *)p - 1;
	memset(p, 0, room_of(b->class)); /* equal heaps have equal bytes */
	b->next = arena.heap.free[b->class];
	arena.heap.free[b->class] = b;
}

/* ---- the program's allocator ------------------------------------------------- */

void *malloc(size_t size)
{
	return inside ? take(size) : __libc_malloc(size);
}

void *calloc(size_t cnt, size_t size)
{
	if (!inside)
		return __libc_calloc(cnt, size);
	must(size == 0 || cnt <= ARENA_SIZE / size);
	return take(cnt * size);
}

void free(void *p)
{
	if (owns(p))
		give(p);
	else
		__libc_free(p);
}

void *realloc(void *p, size_t size)
{
	if (p ? !owns(p) : !inside)
		return __libc_realloc(p, size);
	void *to = take(size);
	if (p) {
		size_t had = room_of(((struct block_head *)p - 1)->class);
		memcpy(to, p, had < size ? had : size);
		give(p);
	}
	return to;
}

/* ---- saving -------------------------------------------------------------------- */

static struct {
	uint8_t (*bytes)[CHUNK];
	uint32_t cnt, cap;
	uint32_t *table; /* index + 1, open addressing */
	uint32_t mask;
} chunks;

static struct {
	uint32_t **lists; /* [0]: how many follow */
	uint32_t cnt, cap;
	size_t bytes;
} saved;

static uint64_t hash_chunk(const uint8_t *p)
{
	uint64_t h = 0x9e3779b97f4a7c15u, word;
	for (size_t i = 0; i < CHUNK; i += sizeof word) {
		memcpy(&word, p + i, sizeof word);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h;
}

static void table_grow(void)
{
	uint32_t mask = chunks.mask ? 2 * chunks.mask + 1 : (1u << 16) - 1;
	free(chunks.table);
	chunks.table = xcalloc((size_t)mask + 1, sizeof *chunks.table);
	chunks.mask = mask;
	for (uint32_t k = 0; k < chunks.cnt; k++) {
		uint32_t at = (uint32_t)hash_chunk(chunks.bytes[k]) & mask;
		while (chunks.table[at])
			at = (at + 1) & mask;
		chunks.table[at] = k + 1;
	}
}

static uint32_t chunk_id(const uint8_t *p)
{
	if (2 * (uint64_t)chunks.cnt >= chunks.mask)
		table_grow();
	uint32_t at = (uint32_t)hash_chunk(p) & chunks.mask;
	for (; chunks.table[at]; at = (at + 1) & chunks.mask)
		if (memcmp(chunks.bytes[chunks.table[at] - 1], p, CHUNK) == 0)
			return chunks.table[at] - 1;
	if (chunks.cnt == chunks.cap) {
		chunks.cap = chunks.cap ? 2 * chunks.cap : 1024;
		chunks.bytes = xrealloc(chunks.bytes, (size_t)chunks.cap * CHUNK);
	}
	memcpy(chunks.bytes[chunks.cnt], p, CHUNK);
	chunks.table[at] = ++chunks.cnt;
	return chunks.cnt - 1;
}

uint32_t arena_save(void)
{
	must(!inside);
	size_t used = arena.heap.used, cnt = (used + CHUNK - 1) / CHUNK;
	uint32_t *list = xcalloc(cnt + 1, sizeof *list);
	memset(arena.bytes + used, 0, cnt * CHUNK - used);
	list[0] = (uint32_t)cnt;
	for (size_t k = 0; k < cnt; k++)
		list[k + 1] = chunk_id(arena.bytes + k * CHUNK);
	if (saved.cnt == saved.cap) {
		saved.cap = saved.cap ? 2 * saved.cap : 1024;
		saved.lists = xrealloc(saved.lists, saved.cap * sizeof *saved.lists);
	}
	saved.lists[saved.cnt] = list;
	saved.bytes += (cnt + 1) * sizeof *list;
	return saved.cnt++;
}

void arena_load(uint32_t id)
{
	must(!inside && id < saved.cnt);
	const uint32_t *list = saved.lists[id];
	for (uint32_t k = 0; k < list[0]; k++)
		memcpy(arena.bytes + (size_t)k * CHUNK, chunks.bytes[list[k + 1]], CHUNK);
}

size_t arena_kept(void)
{
	return saved.bytes + (size_t)chunks.cnt * CHUNK;
}

/* ---- entering ------------------------------------------------------------------- */

void arena_clear(void)
{
	memset(&arena.heap, 0, sizeof arena.heap);
	arena.heap.used = FIRST;
}

void *arena_root(void)
{
	return arena.bytes + FIRST + sizeof(struct block_head);
}

void arena_enter(void)
{
	must(!inside && arena.heap.used >= FIRST);
	inside = true;
}

void arena_leave(void)
{
	must(inside);
	inside = false;
}
