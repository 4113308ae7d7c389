package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.restore.RestoreReport;
import org.vmckpt.cow.restore.RestoreRequest;
import org.vmckpt.cow.restore.RestoreService;

/** A test guest that came out of a checkpoint, with files of its own in one folder. */
public final class RestoredGuest implements AutoCloseable {
    private static final Duration SOON = Duration.ofSeconds(60);

    /** A guest says something four times a second, and we do not look at once. */
    private static final int MOST_TICKS_UNREAD = 8;

    private final RestoreReport report;
    private final GuestConsole console;

    private RestoredGuest(RestoreReport report, GuestConsole console) {
        this.report = report;
        this.console = console;
    }

    /** Restores with everything that the original had in its folder moved to {@code folder}. */
    public static RestoredGuest restore(Store store, Manifest manifest, Path original, Path folder)
            throws VmckptException, IOException {
        return restore(store, manifest, original, folder, false);
    }

    static RestoredGuest restorePaused(Store store, Manifest manifest, Path original, Path folder)
            throws VmckptException, IOException {
        return restore(store, manifest, original, folder, true);
    }

    private static RestoredGuest restore(
            Store store, Manifest manifest, Path original, Path folder, boolean paused)
            throws VmckptException, IOException {
        return restore(
                folder,
                request(store, manifest, folder)
                        .withMaps(Map.of(original, folder))
                        .withPaused(paused));
    }

    /** A request for a guest with all that is its own in {@code folder}. */
    static RestoreRequest request(Store store, Manifest manifest, Path folder) {
        return RestoreRequest.of(
                store, manifest, folder.resolve("qmp.sock"), folder.resolve("disks"));
    }

    static RestoredGuest restore(Path folder, RestoreRequest request)
            throws VmckptException, IOException {
        Files.createDirectories(folder);
        RestoreReport report = new RestoreService().restore(request, ProgressListener.none());
        return new RestoredGuest(
                report,
                new GuestConsole(folder.resolve("console.log"), folder.resolve("command.sock")));
    }

    /** Restores beside the original, lets the copy judge itself, and ends it. */
    public static void requireRestores(
            Store store, Manifest manifest, TestGuest original, Path folder)
            throws VmckptException, IOException {
        ConsoleLine.Tick now = original.console().awaitAnyTick(SOON);
        try (RestoredGuest restored = restore(store, manifest, original.folder(), folder)) {
            ConsoleLine.Tick first = restored.requireGoesOn(now.nonce());
            assertThat(first.counter()).isLessThanOrEqualTo(now.counter() + MOST_TICKS_UNREAD);
            restored.quit();
        }
    }

    /**
     * It is the guest that was saved, it works, and finds every page and block as it should be.
     *
     * @param nonce of the original's boot
     * @return the first that it said
     */
    public ConsoleLine.Tick requireGoesOn(String nonce) {
        ConsoleLine.Tick first = console.awaitFirstTick(SOON);
        assertThat(first.nonce()).isEqualTo(nonce);
        console.awaitTick(console.awaitAnyTick(SOON).counter() + 1, SOON);
        assertThat(console.verify(SOON).errors()).isZero();
        assertThat(console.faults()).isEmpty();
        return first;
    }

    RestoreReport report() {
        return report;
    }

    GuestConsole console() {
        return console;
    }

    /** Ends QEMU as an operator would, so that its images are closed properly. */
    void quit() throws VmckptException {
        Optional<ProcessHandle> qemu = ProcessHandle.of(report.pid());
        try (QmpClient qmp = QmpClient.connect(report.qmpPath(), SOON)) {
            qmp.execute("quit");
        }
        qemu.ifPresent(process -> process.onExit().join());
    }

    @Override
    public void close() {
        ProcessHandle.of(report.pid())
                .ifPresent(qemu -> {
                    qemu.destroyForcibly();
                    qemu.onExit().join();
                });
    }
}
