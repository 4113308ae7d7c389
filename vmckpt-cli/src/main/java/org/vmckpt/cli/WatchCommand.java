package org.vmckpt.cli;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Retention;
import org.vmckpt.core.store.Store;
import org.vmckpt.core.store.Upkeep;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointSeries;
import org.vmckpt.cow.linux.ThreadPriority;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Takes checkpoints of a guest continuously. */
@Command(
        name = "watch",
        header = "Take checkpoints of a running guest continuously.",
        description = {
            "%nTakes a checkpoint every so often until Ctrl-C, SIGTERM or the guest's end. Memory"
                + " stays protected in between, so each checkpoint reads and stores only what the"
                + " guest wrote since the one before. Each is complete: restore any of them.%n",
            "Old checkpoints of this series are removed in the background, and the layers of those"
                + " that stay are folded. A checkpoint that fails is reported and leaves the guest"
                + " as it was; the next one reads all of memory again. A signal lets the checkpoint"
                + " under way end first, and the exit code is 0.%n",
            "Needs guest memory that is shared, as the uffd engine does; 'vmckpt doctor GUEST' says"
                    + " what is missing. While it runs it holds the guest's QMP socket.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt watch qmp:/run/vm1/qmp.sock --every 1s --keep 60",
            "  # for a program: one line of JSON for each checkpoint",
            "  vmckpt watch qmp:/run/vm1/qmp.sock --every 10s --keep-for 24h --json"
        })
final class WatchCommand implements Callable<Integer> {
    private static final Duration SHORTEST_INTERVAL = Duration.ofMillis(100);
    private static final int DEFAULT_KEEP = 60;
    private static final int BACKGROUND_NICENESS = 10;

    /** After so many failures in a row there is no hope that the next one succeeds. */
    private static final int MOST_FAILURES = 10;

    private static final long NAP_MILLIS = 50;

    private final Session session;

    @Spec private CommandSpec spec = CommandSpec.create();

    @Mixin private CaptureOptions capture = new CaptureOptions();

    @Mixin private HookOptions hooks = new HookOptions();

    @Option(
            names = "--every",
            paramLabel = "TIME",
            converter = DurationOption.class,
            description = {
                "From the start of one checkpoint to the start of the next, at least 100ms. When"
                        + " one takes longer, the next follows at once. Default: 1s."
            })
    private Duration every = Duration.ofSeconds(1);

    @ArgGroup private Keep keep = new Keep();

    /** One of the two, or neither. */
    static final class Keep {
        @Option(
                names = "--keep",
                paramLabel = "N",
                description = "How many of the newest checkpoints of the series stay. Default: 60.")
        private @Nullable Integer count;

        @Option(
                names = "--keep-for",
                paramLabel = "TIME",
                converter = DurationOption.class,
                description = "How long each checkpoint stays, for example 1h.")
        private @Nullable Duration time;
    }

    @Option(
            names = "--series",
            paramLabel = "NAME",
            description = {
                "Which checkpoints belong together; only those of this guest and series are ever"
                        + " removed. Default: watch."
            })
    private String series = "watch";

    @Option(
            names = "--count",
            paramLabel = "N",
            description = "End after so many checkpoints. Default: no end.")
    private long count = Long.MAX_VALUE;

    WatchCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Retention retention = checkedRetention();
        try (SignalCancellation signals = SignalCancellation.install()) {
            watch(retention, signals.cancellation());
            signals.done();
        }
        return ExitCode.OK.number();
    }

    private void watch(Retention retention, Cancellation stop) throws VmckptException {
        try (Store store = session.openOrCreateStore();
                WatchView view = WatchView.of(session);
                Upkeep upkeep =
                        Upkeep.start(
                                store,
                                Optional.of(retention),
                                () ->
                                        ThreadPriority.trySetNicenessOfThisThread(
                                                BACKGROUND_NICENESS));
                // Closed before the store's upkeep ends: the guest comes free first.
                CheckpointSeries checkpoints = CheckpointSeries.open(request(store), series)) {
            watch(checkpoints, upkeep, view, stop);
            view.ended(upkeep);
        }
    }

    private Retention checkedRetention() {
        if (every.compareTo(SHORTEST_INTERVAL) < 0) {
            throw new ParameterException(spec.commandLine(), "--every must be 100ms or more");
        }
        Integer kept = keep.count;
        if (kept != null && kept < 1) {
            throw new ParameterException(spec.commandLine(), "--keep must be 1 or more");
        }
        if (count < 1) {
            throw new ParameterException(spec.commandLine(), "--count must be 1 or more");
        }
        return keep.time != null
                ? Retention.lasting(keep.time)
                : new Retention(
                        OptionalInt.of(kept == null ? DEFAULT_KEEP : kept), Optional.empty());
    }

    private CheckpointRequest request(Store store) throws VmckptException {
        return new CheckpointRequest(
                session.address(capture.guest()),
                store,
                Optional.empty(),
                capture.cowBudgetBytes(),
                capture.drainTimeout(),
                Optional.empty(),
                false,
                capture.diskIo(),
                capture.quiesce(),
                hooks.hooks());
    }

    private void watch(
            CheckpointSeries checkpoints, Upkeep upkeep, WatchView view, Cancellation stop)
            throws VmckptException {
        int failures = 0;
        long due = System.nanoTime();
        for (long taken = 0; taken < count && !stop.isRequested(); ) {
            long behindNanos = Math.max(0, System.nanoTime() - due);
            try {
                // A signal does not cancel it: to finish is quicker than to take it back.
                CheckpointReport report =
                        checkpoints.take(ProgressListener.none(), new Cancellation());
                upkeep.published(report.manifest());
                taken++;
                failures = 0;
                view.took(report, Duration.ofNanos(behindNanos), upkeep);
            } catch (TransportException | NotFoundException e) {
                throw e;
            } catch (VmckptException e) {
                view.failed(e);
                if (++failures >= MOST_FAILURES) {
                    throw e;
                }
            }
            // What was missed is not made up for.
            due = Math.max(due + every.toNanos(), System.nanoTime());
            if (taken < count) {
                awaitDue(due, stop);
            }
        }
    }

    private static void awaitDue(long due, Cancellation stop) {
        try {
            for (long left = due - System.nanoTime();
                    left > 0 && !stop.isRequested();
                    left = due - System.nanoTime()) {
                Thread.sleep(Math.clamp(left / 1_000_000, 1, NAP_MILLIS));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            stop.cancel();
        }
    }
}
