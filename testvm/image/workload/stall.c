#include "workload.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* A gap is the time from when a touch was due to when it was done: what the guest had to wait. */
#define LINEAR_BITS 4 /* 16 buckets for each power of two */
#define BUCKETS (64 << LINEAR_BITS)
#define LONGEST 5

struct gaps {
    uint32_t count[BUCKETS];
    uint64_t touches;
    int64_t longest[LONGEST]; /* descending */
};

struct load stall_load = {.name = "stall"};
static struct gaps halves[2]; /* one is written by the thread, the other read by the reporter */
static atomic_int writing;
static uint64_t *region;
static uint64_t region_pages;

static int bucket_of(uint64_t nanos) {
    if (nanos < 1 << LINEAR_BITS) {
        return nanos;
    }
    int power = 63 - __builtin_clzll(nanos);
    return (power - LINEAR_BITS + 1) << LINEAR_BITS
           | ((nanos >> (power - LINEAR_BITS)) & ((1 << LINEAR_BITS) - 1));
}

static uint64_t upper_bound_of(int bucket) {
    if (bucket < 1 << LINEAR_BITS) {
        return bucket;
    }
    int shift = (bucket >> LINEAR_BITS) - 1;
    uint64_t base = (1 << LINEAR_BITS) | (bucket & ((1 << LINEAR_BITS) - 1));
    return ((base + 1) << shift) - 1;
}

static void note_gap(int64_t nanos) {
    struct gaps *gaps = &halves[atomic_load(&writing)];
    if (nanos < 0) {
        nanos = 0;
    }
    gaps->touches++;
    gaps->count[bucket_of(nanos)]++;
    for (int i = 0; i < LONGEST && nanos > 0; i++) {
        if (nanos > gaps->longest[i]) {
            int64_t next = gaps->longest[i];
            gaps->longest[i] = nanos;
            nanos = next;
        }
    }
}

/* Words of a touched page: how often, and that times a number of the page's own. */
static void touch(uint64_t page) {
    volatile uint64_t *words = region + page * BLOCK_WORDS;
    uint64_t times = words[0];
    if (words[1] != times * (page * 2 + 1)) {
        report_error("stall-memory", "\"page\":%lu,\"found\":%lu,\"found_product\":%lu", page, times, words[1]);
        times = 0;
    }
    words[0] = times + 1;
    words[1] = (times + 1) * (page * 2 + 1);
}

static void *run_stall(void *argument) {
    (void)argument;
    setpriority(PRIO_PROCESS, 0, -20);
    struct pacer pacer = {.load = &stall_load};
    uint64_t random = boot_nonce[0] | 1;
    int64_t last = 0; /* when the last touch was done; 0 if what follows it is no gap */
    for (;;) {
        int64_t due = pacer.due_nanos;
        if (pace(&pacer, 1)) {
            last = 0;
        }
        touch(next_random(&random) % region_pages);
        int64_t done = now_nanos();
        if (last != 0) {
            note_gap(done - (due > last ? due : last));
        }
        last = done;
    }
    return NULL;
}

void stall_start(uint64_t region_bytes) {
    region_pages = region_bytes / BLOCK_BYTES;
    if (region_pages == 0) {
        return;
    }
    region = mmap(NULL, region_pages * BLOCK_BYTES, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
        fail("cannot map the stall region");
    }
    start_worker(&stall_load, run_stall, NULL);
}

static uint64_t percentile(const struct gaps *gaps, double part) {
    uint64_t wanted = gaps->touches * part;
    uint64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += gaps->count[i];
        if (seen > wanted) {
            uint64_t bound = upper_bound_of(i);
            return bound < (uint64_t)gaps->longest[0] ? bound : (uint64_t)gaps->longest[0];
        }
    }
    return gaps->longest[0];
}

void stall_report(long counter) {
    int full = atomic_load(&writing);
    atomic_store(&writing, !full);
    struct gaps *gaps = &halves[full];
    if (gaps->touches > 0) {
        say("{\"t\":\"stall\",\"counter\":%ld,\"mono_ms\":%lld,\"touches\":%lu,\"p50_ns\":%lu,\"p99_ns\":%lu,"
            "\"p999_ns\":%lu,\"max_ns\":%lld,\"longest_ns\":[%lld,%lld,%lld,%lld,%lld]}",
            counter, (long long)(now_nanos() / 1000000), gaps->touches, percentile(gaps, 0.5),
            percentile(gaps, 0.99), percentile(gaps, 0.999), (long long)gaps->longest[0],
            (long long)gaps->longest[0], (long long)gaps->longest[1], (long long)gaps->longest[2],
            (long long)gaps->longest[3], (long long)gaps->longest[4]);
    }
    memset(gaps, 0, sizeof *gaps);
}
