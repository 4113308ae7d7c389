package org.vmckpt.testvm;

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
final class RestoredGuest implements AutoCloseable {
    private final RestoreReport report;
    private final GuestConsole console;

    private RestoredGuest(RestoreReport report, GuestConsole console) {
        this.report = report;
        this.console = console;
    }

    /** Restores with everything that the original had in its folder moved to {@code folder}. */
    static RestoredGuest restore(
            Store store, Manifest manifest, Path original, Path folder, boolean paused)
            throws VmckptException, IOException {
        Files.createDirectories(folder);
        RestoreRequest request =
                RestoreRequest.of(
                                store,
                                manifest,
                                folder.resolve("qmp.sock"),
                                folder.resolve("disks"))
                        .withMaps(Map.of(original, folder))
                        .withPaused(paused);
        RestoreReport report = new RestoreService().restore(request, ProgressListener.none());
        return new RestoredGuest(
                report,
                new GuestConsole(folder.resolve("console.log"), folder.resolve("command.sock")));
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
        try (QmpClient qmp = QmpClient.connect(report.qmpPath(), Duration.ofSeconds(30))) {
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
