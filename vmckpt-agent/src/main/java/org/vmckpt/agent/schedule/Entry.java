package org.vmckpt.agent.schedule;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.agent.job.Job;

/** A schedule and how far it is; guarded by its scheduler. */
final class Entry {
    final AgentConfig.Schedule schedule;
    Instant due;
    @Nullable Job underWay;
    Duration lag = Duration.ZERO;

    /** Some time after a failure. */
    Instant notBefore = Instant.MIN;

    /** Its guest does not run. */
    boolean rests;

    Entry(AgentConfig.Schedule schedule, Instant due) {
        this.schedule = schedule;
        this.due = due;
    }

    /**
     * Its guest does not run, or runs again. The time in which there was none is nobody's delay,
     * and what failed because it went is no reason to wait.
     */
    void rested(boolean now, Instant time) {
        if (now) {
            notBefore = Instant.MIN;
        } else if (rests && due.isBefore(time)) {
            due = time;
        }
        rests = now;
    }

    /** When it begins, if its guest runs then. */
    Instant next() {
        return due.isAfter(notBefore) ? due : notBefore;
    }

    Scheduler.View view() {
        return new Scheduler.View(
                schedule.name(),
                schedule.guest(),
                schedule.timing().text(),
                next(),
                lag,
                underWay != null);
    }
}
