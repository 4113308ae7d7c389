#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ERRORS_PRINTED_MAX 50

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_long errors;

/* Raw: no echo of commands among the JSON lines, and no carriage returns. */
void console_open(void) {
    struct termios mode;
    if (tcgetattr(0, &mode) == 0) {
        cfmakeraw(&mode);
        tcsetattr(0, TCSANOW, &mode);
    }
}

int64_t now_nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void write_line(const char *line, int length) {
    pthread_mutex_lock(&line_lock);
    while (length > 0) {
        ssize_t written = write(1, line, length);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            break;
        }
        if (written > 0) {
            line += written;
            length -= written;
        }
    }
    pthread_mutex_unlock(&line_lock);
}

static void say_all(const char *format, va_list arguments) {
    char line[1024];
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    if (length > (int)sizeof line - 2) {
        length = sizeof line - 2;
    }
    line[length++] = '\n';
    write_line(line, length);
}

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say_all(format, arguments);
    va_end(arguments);
}

void report_error(const char *what, const char *format, ...) {
    long number = atomic_fetch_add(&errors, 1) + 1;
    if (number > ERRORS_PRINTED_MAX) {
        return;
    }
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    say("{\"t\":\"error\",\"n\":%ld,\"mono_ms\":%lld,\"what\":\"%s\",%s}", number,
        (long long)(now_nanos() / 1000000), what, detail);
}

long errors_found(void) {
    return atomic_load(&errors);
}

void fail(const char *why) {
    say("{\"t\":\"fail\",\"why\":\"%s\",\"errno\":%d}", why, errno);
    sleep(1); /* let the line out: the end of the first process is the end of the guest */
    exit(1);
}

bool read_command(char *line, int capacity) {
    int length = 0;
    bool fits = true;
    for (;;) {
        char c;
        ssize_t got = read(0, &c, 1);
        if (got <= 0) {
            usleep(100000); /* no terminal behind the port, or a hang-up: ask again later */
            continue;
        }
        if (c == '\r') {
            continue;
        }
        if (c == '\n') {
            line[length] = 0;
            return fits;
        }
        if (length < capacity - 1) {
            line[length++] = c;
        } else {
            fits = false;
        }
    }
}
