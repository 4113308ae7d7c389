#include "workload.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define VCPUS_MAX 64
#define BATCH_PAGES 16

struct slice { /* the part of the region that one thread rewrites */
    uint64_t *base;
    uint64_t first_page, pages;
    uint64_t pass;   /* being written: pages before the cursor have it, the others one less */
    uint64_t cursor; /* index of the next page within the slice */
    atomic_ulong written;
    int vcpu;
    bool fill;
};

struct load memory_load = {.name = "mem"};
static struct slice slices[VCPUS_MAX];
static int slice_count;

static void judge_page(const struct slice *slice, uint64_t index, uint64_t sequence) {
    const uint64_t *page = slice->base + index * BLOCK_WORDS;
    uint64_t number = slice->first_page + index;
    const char *wrong = judge_block(page, KIND_MEMORY, number, sequence);
    if (wrong != NULL) {
        report_error("memory",
            "\"wrong\":\"%s\",\"page\":%lu,\"expected\":%lu,\"found\":%lu,\"found_page\":%lu", wrong,
            number, sequence, page[0], page[1]);
    }
}

static void rewrite_page(struct slice *slice) {
    judge_page(slice, slice->cursor, slice->pass - 1);
    fill_block(slice->base + slice->cursor * BLOCK_WORDS, KIND_MEMORY,
        slice->first_page + slice->cursor, slice->pass);
    atomic_fetch_add_explicit(&slice->written, 1, memory_order_relaxed);
    if (++slice->cursor == slice->pages) {
        slice->cursor = 0;
        slice->pass++;
    }
}

static void *rewrite(void *argument) {
    struct slice *slice = argument;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(slice->vcpu, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    while (slice->fill && slice->pass == 1) {
        rewrite_page(slice);
    }
    struct pacer pacer = {.load = &memory_load};
    for (;;) {
        pace(&pacer, BATCH_PAGES);
        for (int i = 0; i < BATCH_PAGES; i++) {
            rewrite_page(slice);
        }
    }
    return NULL;
}

void memory_start(uint64_t region_bytes, int vcpus, bool fill) {
    uint64_t pages = region_bytes / BLOCK_BYTES;
    if (vcpus > VCPUS_MAX) {
        vcpus = VCPUS_MAX;
    }
    if (pages < (uint64_t)vcpus) {
        return;
    }
    uint64_t *region = mmap(NULL, pages * BLOCK_BYTES, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
        fail("cannot map the memory region");
    }
    slice_count = vcpus;
    for (int i = 0; i < vcpus; i++) {
        struct slice *slice = &slices[i];
        slice->first_page = pages * i / vcpus;
        slice->pages = pages * (i + 1) / vcpus - slice->first_page;
        slice->base = region + slice->first_page * BLOCK_WORDS;
        slice->pass = 1;
        slice->vcpu = i;
        slice->fill = fill;
        start_worker(&memory_load, rewrite, slice);
    }
}

uint64_t memory_pages_written(void) {
    uint64_t written = 0;
    for (int i = 0; i < slice_count; i++) {
        written += atomic_load(&slices[i].written);
    }
    return written;
}

uint64_t memory_passes(void) {
    uint64_t least = slice_count == 0 ? 0 : UINT64_MAX;
    for (int i = 0; i < slice_count; i++) {
        uint64_t passes = atomic_load(&slices[i].written) / slices[i].pages;
        least = passes < least ? passes : least;
    }
    return least;
}

uint64_t memory_verify(uint64_t *hash) {
    uint64_t judged = 0;
    for (int i = 0; i < slice_count; i++) {
        const struct slice *slice = &slices[i];
        for (uint64_t index = 0; index < slice->pages; index++) {
            judge_page(slice, index, index < slice->cursor ? slice->pass : slice->pass - 1);
            *hash = hash_block(*hash, slice->base + index * BLOCK_WORDS);
        }
        judged += slice->pages;
    }
    return judged;
}
