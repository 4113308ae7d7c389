/*
 * A disk that is slow on demand: an LD_PRELOAD library for QEMU with aio=threads.
 *
 *   SLOWDISK_MATCH    files whose path contains this text are slow
 *   SLOWDISK_CONTROL  a file that holds the delay in milliseconds as decimal text; it is mapped, so
 *                     a test changes the delay of a running QEMU by writing to it. No longer than a
 *                     page; must exist and not be empty when QEMU starts.
 *
 * Writes and syncs sleep before they are done, so a request that is in flight has not changed the
 * file yet. Reads are never delayed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *match;
static const volatile char *control;

static void load_control(void) {
    const char *path = getenv("SLOWDISK_CONTROL");
    match = getenv("SLOWDISK_MATCH");
    if (path == NULL || match == NULL) {
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "slowdisk: cannot open SLOWDISK_CONTROL=%s: %s\n", path, strerror(errno));
        abort();
    }
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        fprintf(stderr, "slowdisk: cannot map %s: %s\n", path, strerror(errno));
        abort();
    }
    control = map;
}

static long delay_millis(void) {
    long millis = 0;
    for (int i = 0; i < 10 && control[i] >= '0' && control[i] <= '9'; i++) {
        millis = millis * 10 + (control[i] - '0');
    }
    return millis;
}

static int is_slow(int fd) {
    char link[40];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = 0;
    return strstr(path, match) != NULL;
}

static void delay(int fd) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_control);
    if (control == NULL) {
        return;
    }
    long millis = delay_millis();
    if (millis == 0 || !is_slow(fd)) {
        return;
    }
    struct timespec left = {millis / 1000, millis % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* One wrapper: sleep if the file is slow, then call the function of the same name in libc. */
#define SLOW(result, name, parameters, arguments)                    \
    result name parameters {                                         \
        static result(*next) parameters;                             \
        if (next == NULL) {                                          \
            next = (result(*) parameters)dlsym(RTLD_NEXT, #name);    \
        }                                                            \
        delay(fd);                                                   \
        return next arguments;                                       \
    }

SLOW(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
SLOW(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
SLOW(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
SLOW(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
SLOW(int, fdatasync, (int fd), (fd))
SLOW(int, fsync, (int fd), (fd))
