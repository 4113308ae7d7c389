#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXTENT_BLOCKS 16

/* One for each disk and way of reading: past the page cache into its slice of the region, or through it. */
struct reader {
    int disk, fd;
    char *slice;
    uint64_t slice_bytes, disk_bytes, pass;
    struct pacer pacer;
};

struct load read_load = {.name = "read"};

/* From pass to pass another extent of the disk comes to the same place. */
static void read_extent(struct reader *reader, uint64_t place) {
    uint64_t bytes = EXTENT_BLOCKS * BLOCK_BYTES;
    uint64_t from = (place + reader->pass * bytes) % (reader->disk_bytes / bytes * bytes);
    ssize_t got = pread(reader->fd, reader->slice + place, bytes, from);
    atomic_fetch_add(&disk_counters(reader->disk)->reads, 1);
    if (got != (ssize_t)bytes) {
        report_error("disk-io", "\"disk\":\"%s\",\"request\":\"read\",\"block\":%lu,\"blocks\":%d,\"errno\":%d",
            disk_name(reader->disk), from / BLOCK_BYTES, EXTENT_BLOCKS, got < 0 ? errno : 0);
    }
    posix_fadvise(reader->fd, from, bytes, POSIX_FADV_DONTNEED);
}

static void *run_reader(void *argument) {
    struct reader *reader = argument;
    for (;; reader->pass++) {
        for (uint64_t place = 0; place < reader->slice_bytes; place += EXTENT_BLOCKS * BLOCK_BYTES) {
            pace(&reader->pacer, 1);
            read_extent(reader, place);
        }
    }
    return NULL;
}

void read_start(uint64_t region_bytes) {
    int count = disk_count() * 2;
    uint64_t extents = count == 0 ? 0 : region_bytes / count / (EXTENT_BLOCKS * BLOCK_BYTES);
    uint64_t slice_bytes = extents * EXTENT_BLOCKS * BLOCK_BYTES;
    if (slice_bytes == 0) {
        return;
    }
    char *region = mmap(NULL, count * slice_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct reader *readers = calloc(count, sizeof *readers);
    if (region == MAP_FAILED || readers == NULL) {
        fail("no memory for the read region");
    }
    for (int i = 0; i < count; i++) {
        readers[i] = (struct reader){
            .disk = i / 2,
            .fd = disk_fd(i / 2, i % 2 == 0),
            .slice = region + i * slice_bytes,
            .slice_bytes = slice_bytes,
            .disk_bytes = disk_bytes(i / 2),
            .pacer = {.load = &read_load},
        };
        start_worker(&read_load, run_reader, &readers[i]);
    }
}
