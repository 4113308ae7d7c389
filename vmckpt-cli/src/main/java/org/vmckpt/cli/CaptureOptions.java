package org.vmckpt.cli;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.Quiesce;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which guest to take checkpoints of, and within which limits. */
final class CaptureOptions {
    @Parameters(
            paramLabel = "GUEST",
            converter = GuestReference.Converter.class,
            description = GuestReference.DESCRIPTION)
    private GuestReference guest = GuestReference.NONE;

    @Option(
            names = "--cow-budget",
            paramLabel = "SIZE",
            converter = SizeOption.class,
            description = {
                "Memory for pages that the guest writes while they wait for the store, for example"
                    + " 256M. Default: the smaller of the guest's memory and a quarter of the free"
                    + " memory."
            })
    private @Nullable Long cowBudgetBytes;

    @Option(
            names = "--drain-timeout",
            paramLabel = "TIME",
            converter = DurationOption.class,
            description = {
                "How long the guest may stand still for its pending disk requests, for example"
                        + " 500ms; a checkpoint that would take longer fails. Default: 1s."
            })
    private @Nullable Duration drainTimeout;

    @Option(
            names = "--disk-io",
            paramLabel = "auto|drain|reissue",
            converter = DiskIoMode.class,
            description = {
                "What becomes of disk requests that are pending at the pause: drain waits for them;"
                        + " reissue has the guest's QEMU issue those of volumes again, which needs"
                        + " -device …,werror=stop,rerror=stop and the engine uffd; auto does that"
                        + " for the volumes that allow it. Default: auto."
            })
    private @Nullable DiskIo diskIo;

    @Option(
            names = "--quiesce",
            description = {
                "Have the guest's own agent (qemu-guest-agent) freeze its file systems before the"
                        + " pause and thaw them right after."
            })
    private boolean quiesce;

    @Option(
            names = "--guest-agent",
            paramLabel = "SOCKET",
            description = {
                "With --quiesce: QEMU's socket of the guest agent's channel. Default: the one that"
                        + " QEMU names."
            })
    private @Nullable Path agentSocket;

    boolean wantsQuiesce() {
        return quiesce || agentSocket != null;
    }

    Optional<Path> agentSocket() {
        return Optional.ofNullable(agentSocket).map(Path::toAbsolutePath);
    }

    Optional<Quiesce> quiesce() {
        return wantsQuiesce() ? Optional.of(new Quiesce(agentSocket())) : Optional.empty();
    }

    DiskIo diskIo() {
        return askedDiskIo().orElse(DiskIo.AUTO);
    }

    /** Empty when the user did not say. */
    Optional<DiskIo> askedDiskIo() {
        return Optional.ofNullable(diskIo);
    }

    GuestReference guest() {
        return guest;
    }

    OptionalLong cowBudgetBytes() {
        Long given = cowBudgetBytes;
        return given == null ? OptionalLong.empty() : OptionalLong.of(given);
    }

    Duration drainTimeout() {
        return askedDrainTimeout().orElse(CheckpointRequest.DEFAULT_DRAIN_TIMEOUT);
    }

    /** Empty when the user did not say. */
    Optional<Duration> askedDrainTimeout() {
        return Optional.ofNullable(drainTimeout);
    }
}
