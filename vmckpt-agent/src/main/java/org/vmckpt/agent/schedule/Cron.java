package org.vmckpt.agent.schedule;

import com.cronutils.model.CronType;
import com.cronutils.model.definition.CronDefinitionBuilder;
import com.cronutils.model.time.ExecutionTime;
import com.cronutils.parser.CronParser;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Optional;

/**
 * Due at the times of five fields as in crontab(5).
 *
 * @param zone whose clock the fields are about
 */
public record Cron(String fields, ZoneId zone) implements Timing {
    /** Such a schedule is refused when it is read, so this is for leap days only. */
    private static final int FAR_DAYS = 366 * 8;

    /** An IllegalArgumentException says what is wrong. */
    public Cron {
        if (times(fields).nextExecution(ZonedDateTime.now(zone)).isEmpty()) {
            throw new IllegalArgumentException("expected a time that comes, found " + fields);
        }
    }

    private static ExecutionTime times(String fields) {
        CronParser parser =
                new CronParser(CronDefinitionBuilder.instanceDefinitionFor(CronType.UNIX));
        try {
            return ExecutionTime.forCron(parser.parse(fields).validate());
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "expected five fields as in crontab(5), found '"
                            + fields
                            + "': "
                            + e.getMessage(),
                    e);
        }
    }

    @Override
    public Instant nextAfter(Optional<Instant> last, Instant now) {
        ZonedDateTime from = last.orElse(now).atZone(zone);
        return times(fields)
                .nextExecution(from)
                .orElseGet(() -> from.plusDays(FAR_DAYS))
                .toInstant();
    }

    @Override
    public String text() {
        return "cron " + fields;
    }
}
