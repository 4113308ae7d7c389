#include "workload.h"

#include <pthread.h>
#include <time.h>

/* A worker that fell behind (the guest stood still) does not make up for more than this. */
#define BEHIND_NANOS_MAX 50000000LL
/* Sleeping for less than this costs more than it spreads the load. */
#define SLEEP_NANOS_MIN 2000000LL

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* on the monotonic clock; signalled at every change of the three below */
static int workers;
static int parked; /* workers that stand still because of `stopped` */
static atomic_bool stopped;

static void init_changed(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
}

void start_worker(struct load *load, void *(*run)(void *), void *argument) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_changed);
    pthread_mutex_lock(&lock);
    workers++;
    load->workers++;
    pthread_mutex_unlock(&lock);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument) != 0) {
        fail("cannot start a thread");
    }
}

/* Waits while there is nothing to do, and says whether it had to; the lock is held. */
static bool wait_for_work(struct load *load) {
    bool waited = false;
    while (atomic_load(&stopped) || atomic_load(&load->rate) == 0) {
        bool counted = atomic_load(&stopped);
        waited = true;
        if (counted) {
            parked++;
            pthread_cond_broadcast(&changed);
        }
        do {
            pthread_cond_wait(&changed, &lock);
        } while (counted && atomic_load(&stopped));
        if (counted) {
            parked--;
        }
    }
    return waited;
}

/* Waits until the time is due, or something changes; the lock is held. */
static void wait_until(int64_t due_nanos) {
    struct timespec due = {due_nanos / 1000000000, due_nanos % 1000000000};
    pthread_cond_timedwait(&changed, &lock, &due);
}

bool pace(struct pacer *pacer, long operations) {
    struct load *load = pacer->load;
    bool stood = false;
    if (!atomic_load_explicit(&stopped, memory_order_relaxed)
        && atomic_load_explicit(&load->rate, memory_order_relaxed) == RATE_MAX) {
        pacer->due_nanos = 0;
        return false;
    }
    pthread_mutex_lock(&lock);
    for (;;) {
        stood |= wait_for_work(load);
        long rate = atomic_load(&load->rate);
        int64_t now = now_nanos();
        if (rate == RATE_MAX || pacer->due_nanos - SLEEP_NANOS_MIN <= now) {
            if (pacer->due_nanos < now - BEHIND_NANOS_MAX || rate == RATE_MAX) {
                pacer->due_nanos = now;
            }
            if (rate != RATE_MAX) {
                pacer->due_nanos += operations * 1000000000LL / rate * load->workers;
            }
            break;
        }
        int64_t slice = now + 1000000000LL; /* bounds how long a lower rate of before is waited for */
        if (pacer->due_nanos > slice) {
            pacer->due_nanos = slice;
        }
        wait_until(pacer->due_nanos);
    }
    pthread_mutex_unlock(&lock);
    return stood;
}

void set_rate(struct load *load, long rate) {
    pthread_mutex_lock(&lock);
    atomic_store(&load->rate, rate);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void stop_workers(void) {
    pthread_mutex_lock(&lock);
    atomic_store(&stopped, true);
    pthread_cond_broadcast(&changed);
    while (parked < workers) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void go_workers(void) {
    pthread_mutex_lock(&lock);
    atomic_store(&stopped, false);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

bool workers_stopped(void) {
    return atomic_load(&stopped);
}
