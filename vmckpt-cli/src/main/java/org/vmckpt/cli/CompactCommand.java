package org.vmckpt.cli;

import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CompactionReport;
import org.vmckpt.core.store.Compactor;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.linux.ThreadPriority;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Folds layers of checkpoints together. */
@Command(
        name = "compact",
        header = "Fold the layers of checkpoints together.",
        description = {
            "%nA checkpoint that stores only what changed builds on the segments of those before"
                    + " it. This merges such layers, so that a checkpoint is restored from few"
                    + " segments, and what was overwritten in between takes no space any more. What"
                    + " each checkpoint holds stays the same.%n",
            "Works while checkpoints are taken, restored, verified and exported. Segments that are"
                + " not needed any more are removed at the end, or by 'vmckpt clean' when the store"
                + " is in use. Ctrl-C ends it; every checkpoint stays complete.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt compact",
            "  # one segment for the memory of one checkpoint, and one for each disk",
            "  vmckpt compact before-upgrade --max-layers 1"
        })
final class CompactCommand implements Callable<Integer> {
    /** Behind everything that serves a guest. */
    private static final int NICENESS = 10;

    private final Session session;

    @Spec private CommandSpec spec = CommandSpec.create();

    @Parameters(
            paramLabel = "CKPT",
            arity = "0..1",
            description = {CheckpointReference.DESCRIPTION, "Without it, all checkpoints."})
    private @Nullable String reference;

    @Option(
            names = "--max-layers",
            paramLabel = "N",
            description = {
                "Fold where memory or a disk has more layers than this. 1 makes one segment of"
                        + " them, which other checkpoints may not share. Default: "
                        + Compactor.MAX_LAYERS
                        + "."
            })
    private int maxLayers = Compactor.MAX_LAYERS;

    CompactCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        if (maxLayers < 1) {
            throw new ParameterException(spec.commandLine(), "--max-layers must be 1 or more");
        }
        try (Store store = session.openStore()) {
            CompactionReport report = compact(store);
            session.printResult(report, out -> out.println(describe(report)));
            report.problems().forEach(session::warn);
            return (report.problems().isEmpty() ? ExitCode.OK : ExitCode.CORRUPT).number();
        }
    }

    private CompactionReport compact(Store store) throws VmckptException {
        String wanted = reference;
        Optional<CheckpointId> only =
                wanted == null ? Optional.empty() : Optional.of(store.find(wanted).id());
        try (ProgressDisplay progress = session.progress()) {
            return behindOthers(() -> Compactor.compact(store, only, maxLayers, progress));
        }
    }

    /** In a thread of its own: a lowered priority cannot be raised again. */
    private static CompactionReport behindOthers(Callable<CompactionReport> work)
            throws VmckptException {
        FutureTask<CompactionReport> task = new FutureTask<>(work);
        Thread.ofPlatform()
                .name("vmckpt-compact")
                .start(() -> {
                    ThreadPriority.trySetNicenessOfThisThread(NICENESS);
                    task.run();
                });
        try {
            return task.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof VmckptException known) {
                throw known;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RefusedException("compact: interrupted; every checkpoint is complete", e);
        }
    }

    private static String describe(CompactionReport report) {
        return String.format(
                "Folded %d segments into %d (%s); %d checkpoints name them now. Removed %d"
                        + " segments, %s freed.%s",
                report.segmentsFolded(),
                report.runsFolded(),
                HumanSize.format(report.segmentBytesWritten()),
                report.checkpointsChanged(),
                report.cleaned().segmentsRemoved(),
                HumanSize.format(report.cleaned().bytesFreed()),
                report.cleaned().segmentsSkipped()
                        ? " The store is in use: unused segments were left; clean it later."
                        : "");
    }
}
