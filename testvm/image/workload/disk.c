#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LANES 2
#define LANE_DIRECT 0
#define STRIPE_BLOCKS 256 /* 1 MiB: the stripes of a disk belong to its lanes in turn */
#define EXTENT_BLOCKS_MAX 16
#define BUFFERED_BATCH 8      /* extents written through the page cache before a sync */
#define DIRECT_SYNC_EVERY 16  /* extents */
#define DIRECT_REREAD_EVERY 4 /* extents */
#define EITHER 0x80000000u    /* a write of this sequence failed: it or the one before may be there */

struct extent {
    uint64_t first; /* block number on the disk */
    int blocks;
};

struct disk {
    char name[8];
    int index;
    uint64_t bytes, blocks;
    uint32_t *sequences; /* the last sequence of every block; each block's is its lane's alone */
    int fds[LANES];
    struct disk_counters counters;
};

struct writer {
    struct disk *disk;
    int lane, fd;
    uint64_t lane_blocks, cursor, turn, random;
    uint64_t *data; /* room for one extent */
    struct pacer pacer;
};

struct load disk_load = {.name = "disk"};
static struct disk disks[DISKS_MAX];
static int disks_found;
static bool disks_fresh;

/* ---- requests ---- */

static void note_time(struct disk *disk, int64_t since_nanos) {
    int64_t nanos = now_nanos() - since_nanos;
    long slowest = atomic_load(&disk->counters.slowest_nanos);
    while (nanos > slowest
           && !atomic_compare_exchange_weak(&disk->counters.slowest_nanos, &slowest, nanos)) {
    }
}

static bool finish_request(struct disk *disk, const char *what, struct extent at, ssize_t got, ssize_t wanted,
    int64_t since_nanos) {
    int error = got < 0 ? errno : 0;
    note_time(disk, since_nanos);
    if (got == wanted) {
        return true;
    }
    report_error("disk-io", "\"disk\":\"%s\",\"request\":\"%s\",\"block\":%lu,\"blocks\":%d,\"errno\":%d",
        disk->name, what, at.first, at.blocks, error);
    return false;
}

static bool read_extent(struct disk *disk, int fd, struct extent at, uint64_t *data) {
    int64_t since = now_nanos();
    ssize_t size = (ssize_t)at.blocks * BLOCK_BYTES;
    ssize_t got = pread(fd, data, size, at.first * BLOCK_BYTES);
    atomic_fetch_add(&disk->counters.reads, 1);
    return finish_request(disk, "read", at, got, size, since);
}

static bool write_extent(struct disk *disk, int fd, struct extent at, const uint64_t *data) {
    int64_t since = now_nanos();
    ssize_t size = (ssize_t)at.blocks * BLOCK_BYTES;
    ssize_t got = pwrite(fd, data, size, at.first * BLOCK_BYTES);
    atomic_fetch_add(&disk->counters.writes, 1);
    return finish_request(disk, "write", at, got, size, since);
}

static void sync_disk(struct disk *disk, int fd) {
    int64_t since = now_nanos();
    struct extent whole = {0, 0};
    atomic_fetch_add(&disk->counters.syncs, 1);
    finish_request(disk, "sync", whole, fdatasync(fd), 0, since);
}

/* ---- judging ---- */

static void judge(struct disk *disk, uint64_t number, const uint64_t *block) {
    uint32_t known = disk->sequences[number];
    uint32_t sequence = known & ~EITHER;
    if (sequence == 0 && !disks_fresh) {
        return;
    }
    int kind = KIND_DISK + disk->index;
    const char *wrong = judge_block(block, kind, number, sequence);
    if (wrong == NULL || ((known & EITHER) && judge_block(block, kind, number, sequence - 1) == NULL)) {
        return;
    }
    report_error("disk",
        "\"wrong\":\"%s\",\"disk\":\"%s\",\"block\":%lu,\"expected\":%u,\"found\":%lu,\"found_block\":%lu",
        wrong, disk->name, number, sequence, block[0], block[1]);
}

static void read_and_judge(struct disk *disk, int fd, struct extent at, uint64_t *data) {
    if (!read_extent(disk, fd, at, data)) {
        return;
    }
    for (int i = 0; i < at.blocks; i++) {
        judge(disk, at.first + i, data + i * BLOCK_WORDS);
    }
}

/* ---- writing ---- */

static uint64_t lane_to_disk_block(const struct writer *writer, uint64_t lane_block) {
    uint64_t stripe = lane_block / STRIPE_BLOCKS * LANES + writer->lane;
    return stripe * STRIPE_BLOCKS + lane_block % STRIPE_BLOCKS;
}

/* Every second extent is the next in order, so that the whole lane is reached; the others are anywhere. */
static struct extent choose_extent(struct writer *writer) {
    bool in_order = writer->turn++ % 2 == 0;
    uint64_t lane_block = in_order ? writer->cursor : next_random(&writer->random) % writer->lane_blocks;
    uint64_t blocks = 1 + next_random(&writer->random) % EXTENT_BLOCKS_MAX;
    uint64_t to_stripe_end = STRIPE_BLOCKS - lane_block % STRIPE_BLOCKS;
    uint64_t to_lane_end = writer->lane_blocks - lane_block;
    blocks = blocks < to_stripe_end ? blocks : to_stripe_end;
    blocks = blocks < to_lane_end ? blocks : to_lane_end;
    if (in_order) {
        writer->cursor = (lane_block + blocks) % writer->lane_blocks;
    }
    return (struct extent){lane_to_disk_block(writer, lane_block), blocks};
}

/* Judges what an earlier write left there, then writes the next sequence over it. */
static struct extent rewrite_extent(struct writer *writer) {
    struct disk *disk = writer->disk;
    struct extent at = choose_extent(writer);
    read_and_judge(disk, writer->fd, at, writer->data);
    for (int i = 0; i < at.blocks; i++) {
        uint64_t number = at.first + i;
        uint32_t sequence = (disk->sequences[number] & ~EITHER) + 1;
        fill_block(writer->data + i * BLOCK_WORDS, KIND_DISK + disk->index, number, sequence);
    }
    bool written = write_extent(disk, writer->fd, at, writer->data);
    for (int i = 0; i < at.blocks; i++) {
        uint32_t sequence = (disk->sequences[at.first + i] & ~EITHER) + 1;
        disk->sequences[at.first + i] = sequence | (written ? 0 : EITHER);
    }
    return at;
}

static void write_direct(struct writer *writer) {
    pace(&writer->pacer, 1);
    struct extent at = rewrite_extent(writer);
    if (writer->turn % DIRECT_REREAD_EVERY == 0) {
        read_and_judge(writer->disk, writer->fd, at, writer->data);
    }
    if (writer->turn % DIRECT_SYNC_EVERY == 0) {
        sync_disk(writer->disk, writer->fd);
    }
}

/* Takes the extents out of the page cache: what is read next comes from the disk. */
static void forget(const struct writer *writer, const struct extent *batch) {
    for (int i = 0; i < BUFFERED_BATCH; i++) {
        posix_fadvise(writer->fd, batch[i].first * BLOCK_BYTES, (off_t)batch[i].blocks * BLOCK_BYTES,
            POSIX_FADV_DONTNEED);
    }
}

/* Leaves nothing of the disk in the page cache at its end, the only place where it can be stopped. */
static void write_buffered(struct writer *writer) {
    struct extent batch[BUFFERED_BATCH];
    pace(&writer->pacer, BUFFERED_BATCH);
    for (int i = 0; i < BUFFERED_BATCH; i++) {
        batch[i] = rewrite_extent(writer);
    }
    sync_disk(writer->disk, writer->fd);
    forget(writer, batch);
    for (int i = 0; i < BUFFERED_BATCH; i++) {
        read_and_judge(writer->disk, writer->fd, batch[i], writer->data);
    }
    forget(writer, batch);
}

static void *run_direct(void *writer) {
    for (;;) {
        write_direct(writer);
    }
    return NULL;
}

static void *run_buffered(void *writer) {
    for (;;) {
        write_buffered(writer);
    }
    return NULL;
}

/* ---- start ---- */

static uint64_t *extent_buffer(void) {
    void *data = aligned_alloc(BLOCK_BYTES, EXTENT_BLOCKS_MAX * BLOCK_BYTES);
    if (data == NULL) {
        fail("no memory for a disk buffer");
    }
    return data;
}

static uint64_t count_lane_blocks(const struct disk *disk, int lane) {
    uint64_t whole = disk->blocks / (STRIPE_BLOCKS * LANES) * STRIPE_BLOCKS;
    int64_t rest = (int64_t)(disk->blocks % (STRIPE_BLOCKS * LANES)) - lane * STRIPE_BLOCKS;
    if (rest < 0) {
        rest = 0;
    }
    return whole + (rest < STRIPE_BLOCKS ? rest : STRIPE_BLOCKS);
}

static void start_writer(struct disk *disk, int lane) {
    uint64_t lane_blocks = count_lane_blocks(disk, lane);
    if (lane_blocks == 0) {
        return;
    }
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        fail("no memory for a disk writer");
    }
    writer->disk = disk;
    writer->lane = lane;
    writer->fd = disk->fds[lane];
    writer->lane_blocks = lane_blocks;
    writer->random = boot_nonce[0] ^ (disk->index * 2 + lane + 1);
    writer->data = extent_buffer();
    writer->pacer.load = &disk_load;
    start_worker(&disk_load, lane == LANE_DIRECT ? run_direct : run_buffered, writer);
}

static bool open_disk(struct disk *disk, int index, const char *prefix, char letter) {
    char path[16];
    snprintf(disk->name, sizeof disk->name, "%s%c", prefix, letter);
    snprintf(path, sizeof path, "/dev/%s", disk->name);
    if (access(path, F_OK) != 0) {
        return false;
    }
    for (int lane = 0; lane < LANES; lane++) {
        disk->fds[lane] = open(path, O_RDWR | O_CLOEXEC | (lane == LANE_DIRECT ? O_DIRECT : 0));
        if (disk->fds[lane] < 0) {
            fail("cannot open a disk for writing");
        }
        posix_fadvise(disk->fds[lane], 0, 0, POSIX_FADV_RANDOM);
    }
    if (ioctl(disk->fds[0], BLKGETSIZE64, &disk->bytes) != 0) {
        fail("cannot ask for the size of a disk");
    }
    disk->index = index;
    disk->blocks = disk->bytes / BLOCK_BYTES;
    disk->sequences = mmap(NULL, disk->blocks * sizeof(uint32_t) + 1, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (disk->sequences == MAP_FAILED) {
        fail("no memory for the sequences of a disk");
    }
    return true;
}

void disk_start(bool fresh) {
    disks_fresh = fresh;
    static const char *const prefixes[] = {"vd", "sd"}; // virtio-blk, SCSI
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        char letter = 'a';
        while (disks_found < DISKS_MAX
            && open_disk(&disks[disks_found], disks_found, prefixes[i], letter)) {
            disks_found++;
            letter++;
        }
    }
    for (int i = 0; i < disks_found; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            start_writer(&disks[i], lane);
        }
    }
}

int disk_count(void) {
    return disks_found;
}

const char *disk_name(int disk) {
    return disks[disk].name;
}

uint64_t disk_bytes(int disk) {
    return disks[disk].bytes;
}

int disk_fd(int disk, bool direct) {
    return disks[disk].fds[direct ? LANE_DIRECT : !LANE_DIRECT];
}

struct disk_counters *disk_counters(int disk) {
    return &disks[disk].counters;
}

uint64_t disk_verify(int index, uint64_t *hash) {
    struct disk *disk = &disks[index];
    uint64_t *data = extent_buffer();
    uint64_t number = 0;
    while (number < disk->blocks) {
        uint64_t left = disk->blocks - number;
        struct extent at = {number, left < EXTENT_BLOCKS_MAX ? left : EXTENT_BLOCKS_MAX};
        read_and_judge(disk, disk->fds[LANE_DIRECT], at, data);
        for (int i = 0; i < at.blocks; i++) {
            *hash = hash_block(*hash, data + i * BLOCK_WORDS);
        }
        number += at.blocks;
    }
    free(data);
    return number;
}
