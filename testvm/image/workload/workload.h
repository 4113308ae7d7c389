/*
 * The guest workload: it loads memory and disks and judges what it finds there.
 *
 * Everything it expects is kept in its own memory only: the nonce of this boot, how far each memory
 * thread has come, and the last sequence number of every disk block. A checkpoint is right if and
 * only if memory and disks are of one instant; otherwise the expectation and the content differ, and
 * an error is reported. No restart, no host clock and no file helps the judge.
 *
 * Nouns:
 *   block   4096 bytes with one content for each (kind, block number, sequence number) of this boot;
 *           a memory page and a disk block look the same. Sequence 0: never written.
 *   pass    one rewrite of the whole memory region; a page's sequence is the pass that wrote it.
 *   lane    the half of a disk (every second MiB) that one writer owns: one lane is written with
 *           O_DIRECT, the other through the page cache. So no block has two writers.
 *   load    something with a rate: memory, disk, read or stall. A worker is a thread that obeys a load.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BLOCK_BYTES 4096
#define BLOCK_WORDS (BLOCK_BYTES / 8)
#define RATE_MAX (-1L)
#define COMMAND_CHARS_MAX 128

/* ---- console.c: lines of JSON, each written whole ---- */
void console_open(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts an error and reports it; format gives further JSON members. Only the first are printed. */
void report_error(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void fail(const char *why);
long errors_found(void);
int64_t now_nanos(void);
/* Next command line without its newline; false if it was too long to be one. */
bool read_command(char line[COMMAND_CHARS_MAX]);

/* ---- pattern.c: what a block must look like ---- */
extern uint64_t boot_nonce[2];
enum kind { KIND_MEMORY = 1, KIND_STALL = 2, KIND_DISK = 16 /* + index of the disk */ };
void fill_block(uint64_t *block, int kind, uint64_t number, uint64_t sequence);
/* NULL, or the name of what is wrong with the block. */
const char *judge_block(const uint64_t *block, int kind, uint64_t number, uint64_t sequence);
uint64_t hash_block(uint64_t hash, const uint64_t *block);
uint64_t next_random(uint64_t *state);

/* ---- pace.c: rates, and stop and go ---- */
struct load {
    const char *name;
    atomic_long rate; /* operations a second over all its workers, 0 idle, RATE_MAX flat out */
    int workers;
};
struct pacer {
    struct load *load;
    int64_t due_nanos; /* when the next operation is due; 0 means now */
};
void start_worker(struct load *load, void *(*run)(void *), void *argument);
/* Waits until `operations` more are due; true if it stood idle or stopped meanwhile. A worker may be
 * stopped here and nowhere else. */
bool pace(struct pacer *pacer, long operations);
void set_rate(struct load *load, long rate);
void stop_workers(void); /* returns when every worker stands still */
void go_workers(void);
bool workers_stopped(void);

/* ---- memory.c ---- */
extern struct load memory_load;
void memory_start(uint64_t region_bytes, int vcpus, bool fill);
uint64_t memory_pages_written(void);
uint64_t memory_passes(void); /* passes that every thread has finished */
/* With the workers stopped: judges every page, returns how many, and adds them to the hash. */
uint64_t memory_verify(uint64_t *hash);

/* ---- disk.c ---- */
#define DISKS_MAX 8
extern struct load disk_load;
struct disk_counters {
    atomic_ulong writes, reads, syncs;
    atomic_long slowest_nanos; /* of one request since it was last asked for */
};
void disk_start(bool fresh);
int disk_count(void);
const char *disk_name(int disk);
uint64_t disk_bytes(int disk);
int disk_fd(int disk, bool direct);
struct disk_counters *disk_counters(int disk);
uint64_t disk_verify(int disk, uint64_t *hash);

/* ---- read.c ---- */
extern struct load read_load;
/* Whatever is on the disks is read into the region, and not judged. */
void read_start(uint64_t region_bytes);

/* ---- stall.c ---- */
extern struct load stall_load;
void stall_start(uint64_t region_bytes);
void stall_report(long counter);

#endif
