package org.vmckpt.testvm.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.Cancellation;
import org.vmckpt.cow.checkpoint.CheckpointService;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.testvm.GuestMemoryKind;

/**
 * What happens to a guest on private memory when a checkpoint by one of QEMU's own streams ends
 * early. One guest carries the traces from one accident to the next.
 */
final class EngineFaultIT {
    private static final Duration AT_MOST = Duration.ofSeconds(20);
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String IN_THE_STREAM = "store memory";

    @TempDir static Path folder;
    private static WatchedGuest guest;
    private static Store store;

    @BeforeAll
    static void bootGuest() throws Exception {
        guest = WatchedGuest.start(builder -> builder.memoryKind(GuestMemoryKind.ANONYMOUS));
        guest.guest().awaitBoot();
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @AfterAll
    static void endGuest() {
        store.close();
        guest.close();
    }

    private static Manifest checkpoint(EngineName engine, ProgressListener progress)
            throws VmckptException {
        return CheckpointService.checkpoint(guest.request(store).withEngine(engine), progress)
                .manifest();
    }

    @ParameterizedTest
    @CsvSource({
        "BACKGROUND, FORKED",
        "BACKGROUND, DEVICES_SAVED",
        "BACKGROUND, store memory",
        "BACKGROUND, publish",
        "PAUSE, FORKED",
        "PAUSE, store memory",
        "PAUSE, DEVICES_SAVED",
        "PAUSE, publish"
    })
    void killedProcessLeavesARunningGuest(EngineName engine, String point) throws Exception {
        List<Manifest> before = store.list();
        HaltedCheckpoint.killAt(point, guest.guest().qmpSocket(), store, engine);
        guest.awaitRunning(AT_MOST);
        guest.requireGoesOn();
        assertThat(store.list()).containsExactlyInAnyOrderElementsOf(before);
        awaitEndOfMigration();
        Programs.awaitNoGuard(guest.guest().qmpSocket());
        Manifest next = requireNextIsTaken(engine);
        // The guest and its store carry the traces of all four.
        if (point.equals("publish")) {
            guest.requireRestores(store, next);
        }
        guest.requireAllIsWell();
    }

    /** A background snapshot that nobody wants any more is read to its end by the guard. */
    private static void awaitEndOfMigration() {
        await().atMost(SOON)
                .until(() ->
                        !guest.watch()
                                .execute("query-migrate")
                                .path("status")
                                .asText()
                                .equals("active"));
    }

    private static void requireNextIsGood(EngineName engine) throws Exception {
        guest.requireRestores(store, requireNextIsTaken(engine));
        guest.requireAllIsWell();
    }

    private static Manifest requireNextIsTaken(EngineName engine) throws Exception {
        Manifest next = checkpoint(engine, ProgressListener.none());
        assertThat(guest.overlays()).as("one overlay for each disk").hasSize(2);
        guest.requireCleanImages();
        return next;
    }

    /** Does something once, as soon as memory comes. */
    private static ProgressListener onceInTheStream(Accident accident) {
        AtomicBoolean done = new AtomicBoolean();
        return (phase, now, total, unit) -> {
            if (phase.equals(IN_THE_STREAM) && done.compareAndSet(false, true)) {
                try {
                    accident.happen();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }
        };
    }

    private interface Accident {
        void happen() throws Exception;
    }

    private static void requireFailsAndGuestGoesOn(
            EngineName engine,
            ThrowingCallable checkpoint,
            Class<? extends VmckptException> kind,
            String words)
            throws Exception {
        List<Manifest> before = store.list();
        assertThatThrownBy(checkpoint).isInstanceOf(kind).hasMessageContaining(words);
        guest.awaitRunning(AT_MOST);
        guest.requireGoesOn();
        assertThat(store.list()).containsExactlyInAnyOrderElementsOf(before);
        requireNextIsGood(engine);
    }

    /** Each of the two processes keeps the connection when the other one dies. */
    @Test
    void guardThatDiesDoesNotCutABackgroundSnapshot() throws Exception {
        Manifest manifest =
                checkpoint(EngineName.BACKGROUND, onceInTheStream(EngineFaultIT::killGuard));
        guest.requireRestores(store, manifest);
        guest.requireAllIsWell();
    }

    private static void killGuard() {
        List<ProcessHandle> guards = Programs.guardsOf(guest.guest().qmpSocket());
        assertThat(guards).hasSize(1);
        guards.forEach(process -> {
            process.destroyForcibly();
            process.onExit().join();
        });
    }

    /** Not of a background snapshot: QEMU can hang when somebody cancels that. */
    @Test
    void streamThatSomebodyCutsIsReportedAndTakenBack() throws Exception {
        requireFailsAndGuestGoesOn(
                EngineName.PAUSE,
                () ->
                        checkpoint(
                                EngineName.PAUSE,
                                onceInTheStream(() -> guest.watch().execute("migrate_cancel"))),
                TransportException.class,
                "migration cancelled");
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineName.class,
            names = {"BACKGROUND", "PAUSE"})
    void checkpointIsCancelledInTheStream(EngineName engine) throws Exception {
        Cancellation cancellation = new Cancellation();
        requireFailsAndGuestGoesOn(
                engine,
                () ->
                        CheckpointService.checkpoint(
                                guest.request(store).withEngine(engine),
                                onceInTheStream(cancellation::cancel),
                                cancellation),
                RefusedException.class,
                "cancelled");
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineName.class,
            names = {"BACKGROUND", "PAUSE"})
    void storeThatTakesNothingMoreEndsTheStream(EngineName engine) throws Exception {
        List<String> disks = guest.activeFiles();
        Path mount = Files.createTempDirectory("vmckpt-small");
        Programs.run("mount", "-t", "tmpfs", "-o", "size=8m", "vmckpt-test", mount.toString());
        try (Store small = Store.openOrCreate(mount.resolve("store"))) {
            assertThatThrownBy(() ->
                            CheckpointService.checkpoint(
                                    guest.request(small).withEngine(engine),
                                    ProgressListener.none()))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining("full");
            guest.awaitRunning(AT_MOST);
            guest.requireGoesOn();
            assertThat(small.list()).isEmpty();
            assertThat(guest.activeFiles()).isEqualTo(disks);
        } finally {
            Programs.run("umount", mount.toString());
            Files.delete(mount);
        }
        guest.requireAllIsWell();
    }
}
