/*
 * Parameters, on the kernel's command line; those marked * also as a command:
 *   mem.region=BYTES  mem.fill=0|1 (write the whole region once at boot)  mem.rate=RATE* pages/s
 *   disk.rate=RATE*   extents of 4 to 64 KiB a second over all disks
 *   disk.fresh=0|1    1: the disks hold only zeros at boot, so a block never written must be zero
 *   read.region=BYTES  read.rate=RATE*  reads of 64 KiB a second from all disks into that memory
 *   stall.region=BYTES  stall.rate=RATE*  touches/s
 *   tick.ms=N
 * BYTES takes K, M or G; RATE is a number, or max.
 * Commands, on the console or the second serial port: stop, go, verify (stop, judge every page and block, hash them, go).
 * Every command is answered by one line, {"t":"ok"|"bad","cmd":...}; verify by {"t":"verify",...} too.
 */
#include "workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char nonce_text[33];
static char command_line[4096];
static atomic_long counter;

static const char *parameter(const char *name) {
    static char value[64];
    char *rest = command_line;
    size_t length = strlen(name);
    while ((rest = strstr(rest, name)) != NULL) {
        if ((rest == command_line || rest[-1] == ' ') && rest[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(rest + length + 1, " \n"), rest + length + 1);
            return value;
        }
        rest += length;
    }
    return NULL;
}

static uint64_t bytes_parameter(const char *name, uint64_t otherwise) {
    const char *value = parameter(name);
    if (value == NULL) {
        return otherwise;
    }
    char *unit;
    uint64_t bytes = strtoull(value, &unit, 10);
    return bytes << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0);
}

static bool parse_rate(const char *text, long *rate) {
    char *end;
    *rate = strcmp(text, "max") == 0 ? RATE_MAX : strtol(text, &end, 10);
    return *rate == RATE_MAX || (end != text && *end == 0 && *rate >= 0);
}

static void rate_parameter(const char *name, struct load *load) {
    const char *value = parameter(name);
    long rate;
    if (value != NULL && parse_rate(value, &rate)) {
        set_rate(load, rate);
    }
}

static void say_boot(int vcpus, uint64_t region_bytes) {
    char disks[256] = "";
    for (int i = 0; i < disk_count(); i++) {
        size_t used = strlen(disks);
        snprintf(disks + used, sizeof disks - used, "%s{\"name\":\"%s\",\"bytes\":%lu}", i == 0 ? "" : ",",
            disk_name(i), disk_bytes(i));
    }
    say("{\"t\":\"boot\",\"nonce\":\"%s\",\"vcpus\":%d,\"mem_region\":%lu,\"disks\":[%s],\"mono_ms\":%lld}",
        nonce_text, vcpus, region_bytes, disks, (long long)(now_nanos() / 1000000));
}

static void say_tick(void) {
    unsigned long writes = 0, reads = 0, syncs = 0;
    long slowest = 0;
    for (int i = 0; i < disk_count(); i++) {
        struct disk_counters *counters = disk_counters(i);
        writes += atomic_load(&counters->writes);
        reads += atomic_load(&counters->reads);
        syncs += atomic_load(&counters->syncs);
        long nanos = atomic_exchange(&counters->slowest_nanos, 0);
        slowest = nanos > slowest ? nanos : slowest;
    }
    say("{\"t\":\"tick\",\"counter\":%ld,\"mono_ms\":%lld,\"nonce\":\"%s\",\"errors\":%ld,\"stopped\":%s,"
        "\"mem_passes\":%lu,\"mem_pages\":%lu,\"disk_writes\":%lu,\"disk_reads\":%lu,\"disk_syncs\":%lu,"
        "\"disk_max_us\":%ld}",
        atomic_load(&counter), (long long)(now_nanos() / 1000000), nonce_text, errors_found(),
        workers_stopped() ? "true" : "false", memory_passes(), memory_pages_written(), writes, reads, syncs,
        slowest / 1000);
}

static void *run_ticks(void *argument) {
    long millis = *(long *)argument;
    setpriority(PRIO_PROCESS, 0, -10);
    for (;;) {
        long now = atomic_fetch_add(&counter, 1) + 1;
        say_tick();
        stall_report(now);
        struct timespec pause = {millis / 1000, millis % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void verify(void) {
    bool was_stopped = workers_stopped();
    stop_workers();
    long before = errors_found();
    uint64_t memory_hash = boot_nonce[0], blocks = 0;
    uint64_t pages = memory_verify(&memory_hash);
    char hashes[256] = "";
    for (int i = 0; i < disk_count(); i++) {
        uint64_t hash = boot_nonce[0];
        size_t used = strlen(hashes);
        blocks += disk_verify(i, &hash);
        snprintf(hashes + used, sizeof hashes - used, "%s\"%016lx\"", i == 0 ? "" : ",", hash);
    }
    say("{\"t\":\"verify\",\"counter\":%ld,\"nonce\":\"%s\",\"mem_pages\":%lu,\"disk_blocks\":%lu,"
        "\"new_errors\":%ld,\"errors\":%ld,\"mem_hash\":\"%016lx\",\"disk_hashes\":[%s]}",
        atomic_load(&counter), nonce_text, pages, blocks, errors_found() - before, errors_found(), memory_hash,
        hashes);
    if (!was_stopped) {
        go_workers();
    }
}

static bool change_rate(const char *command) {
    struct load *loads[] = {&memory_load, &disk_load, &read_load, &stall_load};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        size_t length = strlen(loads[i]->name);
        long rate;
        if (strncmp(command, loads[i]->name, length) == 0 && strncmp(command + length, ".rate=", 6) == 0
            && parse_rate(command + length + 6, &rate)) {
            set_rate(loads[i], rate);
            return true;
        }
    }
    return false;
}

static bool obey(const char *command) {
    if (strcmp(command, "stop") == 0) {
        stop_workers();
    } else if (strcmp(command, "go") == 0) {
        go_workers();
    } else if (strcmp(command, "verify") == 0) {
        verify();
    } else {
        return change_rate(command);
    }
    return true;
}

static void answer(const char *command, bool obeyed) {
    char quoted[COMMAND_CHARS_MAX] = "";
    for (size_t i = 0, used = 0; command[i] != 0 && used < sizeof quoted - 1; i++) {
        bool plain = command[i] >= ' ' && command[i] < 127 && command[i] != '"' && command[i] != '\\';
        quoted[used++] = plain ? command[i] : '?';
    }
    say("{\"t\":\"%s\",\"cmd\":\"%s\"}", obeyed ? "ok" : "bad", quoted);
}

static void read_command_line(void) {
    FILE *file = fopen("/proc/cmdline", "r");
    if (file == NULL || fgets(command_line, sizeof command_line, file) == NULL) {
        fail("cannot read /proc/cmdline");
    }
    fclose(file);
}

int main(void) {
    console_open();
    prctl(PR_SET_TIMERSLACK, 1);
    read_command_line();
    if (getrandom(boot_nonce, sizeof boot_nonce, 0) != sizeof boot_nonce) {
        fail("no random bytes");
    }
    snprintf(nonce_text, sizeof nonce_text, "%016lx%016lx", boot_nonce[0], boot_nonce[1]);

    int vcpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t region_bytes = bytes_parameter("mem.region", 0);
    bool fresh = bytes_parameter("disk.fresh", 0) != 0;
    memory_start(region_bytes, vcpus, bytes_parameter("mem.fill", 0) != 0);
    disk_start(fresh);
    read_start(bytes_parameter("read.region", 0));
    stall_start(bytes_parameter("stall.region", 16 << 20));
    say_boot(vcpus, region_bytes);

    static long tick_millis;
    tick_millis = bytes_parameter("tick.ms", 250);
    tick_millis = tick_millis < 1 ? 1 : tick_millis;
    pthread_t ticks;
    if (pthread_create(&ticks, NULL, run_ticks, &tick_millis) != 0) {
        fail("cannot start a thread");
    }
    rate_parameter("mem.rate", &memory_load);
    rate_parameter("disk.rate", &disk_load);
    rate_parameter("read.rate", &read_load);
    rate_parameter("stall.rate", &stall_load);
    for (;;) {
        char command[COMMAND_CHARS_MAX];
        bool whole = read_command(command);
        if (command[0] != 0 || !whole) {
            answer(command, whole && obey(command));
        }
    }
}
