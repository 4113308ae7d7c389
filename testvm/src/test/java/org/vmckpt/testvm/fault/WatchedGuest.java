package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.core.qmp.QmpEvent;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointReport;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.testvm.Folders;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.Rate;
import org.vmckpt.testvm.RestoredGuest;
import org.vmckpt.testvm.TestDisk;
import org.vmckpt.testvm.TestGuest;
import org.vmckpt.testvm.TestGuestBuilder;
import org.vmckpt.testvm.Workload;

/** A small guest with two disks, some load, and a second monitor on which the test looks on. */
final class WatchedGuest implements AutoCloseable {
    static final Duration SOON = Duration.ofSeconds(60);
    private static final long MIB = 1 << 20;

    private final TestGuest guest;
    private final QmpClient watch;
    private final List<QmpEvent> events = new CopyOnWriteArrayList<>();

    private WatchedGuest(TestGuest guest) throws VmckptException {
        this.guest = guest;
        await().atMost(SOON).until(() -> guest.listensOn(watchSocket(guest.folder())));
        this.watch = QmpClient.connect(watchSocket(guest.folder()), SOON);
        watch.subscribe(events::add);
    }

    /** Returns when the guest works. */
    static WatchedGuest boot() throws Exception {
        WatchedGuest booted = start(UnaryOperator.identity());
        booted.guest.awaitBoot();
        return booted;
    }

    /** Returns as soon as QEMU runs: enough for what does not matter to the guest. */
    static WatchedGuest start(UnaryOperator<TestGuestBuilder> change) throws Exception {
        return start(Files.createTempDirectory("vmckpt-fault"), change);
    }

    /** In a folder where another guest may have left files. */
    static WatchedGuest start(Path folder, UnaryOperator<TestGuestBuilder> change)
            throws Exception {
        TestGuestBuilder builder =
                TestGuest.builder()
                        .directory(folder)
                        .memory(128 * MIB)
                        .vcpus(1)
                        .disk(TestDisk.qcow2(16 * MIB))
                        .disk(TestDisk.raw(16 * MIB).asBlockdev())
                        .workload(
                                Workload.idle(16 * MIB)
                                        .memory(Rate.perSecond(5000))
                                        .disk(Rate.perSecond(100)))
                        .extraArguments(
                                List.of(
                                        "-chardev",
                                        "socket,id=watch,path=%s,server=on,wait=off"
                                                .formatted(watchSocket(folder)),
                                        "-mon",
                                        "chardev=watch,mode=control"));
        TestGuest started = change.apply(builder).start();
        try {
            return new WatchedGuest(started);
        } catch (VmckptException e) {
            started.close();
            throw e;
        }
    }

    private static Path watchSocket(Path folder) {
        return folder.resolve("watch.sock");
    }

    TestGuest guest() {
        return guest;
    }

    Path watchSocket() {
        return watchSocket(guest.folder());
    }

    QmpClient watch() {
        return watch;
    }

    CheckpointRequest request(Store store) {
        // Asked for by name: another engine in its place would hide what is tested.
        return CheckpointRequest.of(guest.qmpSocket(), store).withEngine(EngineName.UFFD);
    }

    CheckpointReport checkpoint(Store store) throws VmckptException {
        return CheckpointService.checkpoint(request(store), ProgressListener.none());
    }

    /** QEMU's own time of the first such event at or after an instant. */
    Optional<Instant> eventAfter(Instant start, String name) throws VmckptException {
        return eventsUntilNow()
                .filter(event -> event.is(name) && !event.timestamp().isBefore(start))
                .map(QmpEvent::timestamp)
                .findFirst();
    }

    /** Stopped and resumed how often since an instant. */
    long stopsSince(Instant start) throws VmckptException {
        return eventsUntilNow()
                .filter(event -> event.is("STOP") && !event.timestamp().isBefore(start))
                .count();
    }

    /** Another monitor can be ahead of ours, but no answer comes before an earlier event. */
    private Stream<QmpEvent> eventsUntilNow() throws VmckptException {
        status();
        return events.stream();
    }

    String status() throws VmckptException {
        return watch.execute("query-status").path("status").asText();
    }

    void awaitRunning(Duration limit) {
        await().atMost(limit)
                .pollInterval(Duration.ofMillis(2))
                .pollDelay(Duration.ZERO)
                .until(() -> status().equals("running"));
    }

    /** Waits until a disk has done so many more writes. */
    void awaitWrites(String device, int count) {
        long wanted = writes(device) + count;
        await().atMost(SOON).until(() -> writes(device) >= wanted);
    }

    private long writes(String device) {
        return ofDisk("query-blockstats", device).path("stats").path("wr_operations").asLong();
    }

    /** What a query for all disks tells of one. */
    private JsonNode ofDisk(String query, String device) {
        try {
            for (JsonNode disk : watch.execute(query)) {
                if (disk.path("qdev").asText().contains(device)) {
                    return disk;
                }
            }
            throw new AssertionError("no disk " + device);
        } catch (VmckptException e) {
            throw new AssertionError(e);
        }
    }

    /** The guest runs, its workload moves, and has found nothing wrong. */
    void requireGoesOn() throws VmckptException {
        assertThat(status()).isEqualTo("running");
        GuestConsole console = guest.console();
        console.awaitTick(console.awaitAnyTick(SOON).counter() + 1, SOON);
        assertThat(console.faults()).isEmpty();
    }

    /** As {@link #requireGoesOn}, and every page and block of the guest is judged. */
    void requireAllIsWell() throws VmckptException {
        requireGoesOn();
        assertThat(guest.console().verify(SOON).errors()).isZero();
    }

    /** Files of overlays, in use or not, in the guest's folder. */
    List<Path> overlays() throws IOException {
        try (Stream<Path> files = Files.list(guest.folder())) {
            return files.filter(file -> file.toString().contains(".vmckpt-")).sorted().toList();
        }
    }

    /** The file that each disk writes to. */
    List<String> activeFiles() throws VmckptException {
        return Stream.iterate(0, i -> i + 1)
                .limit(2)
                .map(i -> "virtio-disk" + i)
                .map(this::activeFile)
                .toList();
    }

    private String activeFile(String device) {
        return ofDisk("query-block", device).path("inserted").path("file").asText();
    }

    /** Stops a guest that runs meanwhile: an image that is written to looks damaged. */
    void requireCleanImages() throws Exception {
        boolean running = status().equals("running");
        if (running) {
            watch.execute("stop");
        }
        try (Stream<Path> files = Files.list(guest.folder())) {
            for (Path file : files.filter(it -> it.toString().endsWith(".qcow2")).toList()) {
                Programs.run("qemu-img", "check", "-q", "-U", "-f", "qcow2", file.toString());
            }
        }
        if (running) {
            watch.execute("cont");
        }
    }

    /** Restores beside this guest, lets the copy judge itself, and ends it. */
    void requireRestores(Store store, Manifest manifest) throws Exception {
        Path home = Files.createTempDirectory("vmckpt-back");
        try {
            RestoredGuest.requireRestores(store, manifest, guest, home);
        } finally {
            Folders.delete(home);
        }
    }

    @Override
    public void close() {
        watch.close();
        guest.close();
    }
}
