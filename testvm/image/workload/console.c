#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/*
 * Commands come from the console, and from the second serial port if there is one: QEMU may log a
 * character twice when a client leaves the socket that is also its output.
 */
#define INPUTS_MAX 2

struct input {
    int fd;
    int length;
    bool fits;
    char line[COMMAND_CHARS_MAX];
};

static struct input inputs[INPUTS_MAX];
static int inputs_open;

/* Raw: no echo of commands among the JSON lines, and no carriage returns. */
static void open_input(int fd) {
    struct termios mode;
    if (fd < 0 || tcgetattr(fd, &mode) != 0) {
        return; /* no such port */
    }
    cfmakeraw(&mode);
    tcsetattr(fd, TCSANOW, &mode);
    inputs[inputs_open++] = (struct input){.fd = fd, .fits = true};
}

void console_open(void) {
    open_input(0);
    open_input(open("/dev/ttyS1", O_RDONLY | O_NOCTTY | O_CLOEXEC));
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

/* Takes one character; true if it ends a line. */
static bool take(struct input *input, char c) {
    if (c == '\n') {
        input->line[input->length] = 0;
        return true;
    }
    if (c != '\r' && input->length < COMMAND_CHARS_MAX - 1) {
        input->line[input->length++] = c;
    } else if (c != '\r') {
        input->fits = false;
    }
    return false;
}

bool read_command(char line[COMMAND_CHARS_MAX]) {
    for (;;) {
        struct pollfd ready[INPUTS_MAX];
        for (int i = 0; i < inputs_open; i++) {
            ready[i] = (struct pollfd){.fd = inputs[i].fd, .events = POLLIN};
        }
        poll(ready, inputs_open, -1);
        for (int i = 0; i < inputs_open; i++) {
            char c;
            if (ready[i].revents == 0) {
                continue;
            }
            if (read(inputs[i].fd, &c, 1) != 1) {
                usleep(100000); /* a hang-up: ask again later */
            } else if (take(&inputs[i], c)) {
                bool fits = inputs[i].fits;
                memcpy(line, inputs[i].line, COMMAND_CHARS_MAX);
                inputs[i].length = 0;
                inputs[i].fits = true;
                return fits;
            }
        }
    }
}
