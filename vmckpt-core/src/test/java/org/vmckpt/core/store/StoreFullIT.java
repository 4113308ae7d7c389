package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.StorageException;

/** A store on a file system of 4 MiB that fills up. Needs root, to mount it. */
class StoreFullIT {
    @TempDir private Path folder;
    private Path mount = Path.of("");
    private boolean mounted;

    @BeforeEach
    void mountSmallFileSystem() throws Exception {
        mount = Files.createDirectory(folder.resolve("small"));
        mounted = run("mount", "-t", "tmpfs", "-o", "size=4m", "vmckpt-test", mount.toString());
        assumeTrue(mounted, "mounting a tmpfs needs root: run this test as root");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(run("umount", mount.toString())).isTrue();
        }
    }

    @Test
    void aSegmentThatDoesNotFitIsAStorageErrorAndLeavesNothing() throws Exception {
        Path directory = mount.resolve("store");
        try (Store store = Store.openOrCreate(directory)) {
            Manifest manifest = Fixture.checkpoint(store, 1);
            assertThatThrownBy(() -> writeMemory(store, 2000))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining(directory.toString())
                    .hasMessageContaining("full")
                    .hasMessageContaining("vmckpt remove");
            assertThat(store.list()).containsExactly(manifest);
            assertThat(store.verify(manifest, ProgressListener.none()).problems()).isEmpty();
            // Space is there again, so a smaller one fits.
            writeMemory(store, 200);
            assertThat(store.clean().segmentsSkipped()).isTrue();
        }
        try (Store store = Store.open(directory)) {
            assertThat(store.clean().segmentsRemoved()).isEqualTo(1);
            assertThat(directory.resolve("tmp")).isEmptyDirectory();
        }
    }

    @Test
    void anImportThatDoesNotFitLeavesNothing() throws Exception {
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        try (Store source = Store.openOrCreate(folder.resolve("source"))) {
            Manifest manifest =
                    Fixture.manifest(
                            source.putBytes(SegmentKind.DEVICE, Fixture.noise(500, 1)),
                            Fixture.memory(source, Fixture.noise(900, 2)));
            source.publish(manifest);
            source.exportTo(manifest, stream, ProgressListener.none());
        }
        Path directory = mount.resolve("store");
        try (Store store = Store.openOrCreate(directory)) {
            ByteArrayInputStream in = new ByteArrayInputStream(stream.toByteArray());
            assertThatThrownBy(() -> store.importFrom(in, ProgressListener.none()))
                    .isInstanceOf(StorageException.class)
                    .hasMessageContaining(directory.toString());
            assertThat(store.list()).isEmpty();
        }
        assertThat(directory.resolve("segments")).isEmptyDirectory();
        assertThat(directory.resolve("tmp")).isEmptyDirectory();
    }

    private static void writeMemory(Store store, int pages) throws Exception {
        try (SegmentWriter writer =
                store.newSegment(SegmentKind.MEMORY, Fixture.PAGE, (long) pages * Fixture.PAGE)) {
            ByteBuffer page = ByteBuffer.allocateDirect(Fixture.PAGE);
            for (int i = 0; i < pages; i++) {
                page.clear().put(Fixture.noise(1, i)).flip();
                writer.append(new long[] {i}, 1, page);
            }
            writer.finish();
        }
    }

    private static boolean run(String... command) throws Exception {
        return new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start()
                        .waitFor()
                == 0;
    }
}
