package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

class StoreTest {
    @TempDir private Path folder;
    @AutoClose private Store store;

    @BeforeEach
    void openStore() throws VmckptException {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    @Test
    void aPublishedCheckpointIsFoundAgain() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        store.close();
        store = Store.open(folder.resolve("store"));
        assertThat(store.list()).containsExactly(manifest);
        assertThat(store.find(manifest.id().value())).isEqualTo(manifest);
        assertThat(store.find(manifest.id().value().substring(0, 20))).isEqualTo(manifest);
        assertThat(store.find(manifest.id().shortForm().substring(0, 5))).isEqualTo(manifest);
        assertThat(store.find("latest")).isEqualTo(manifest);
        assertThatThrownBy(() -> store.find("other")).isInstanceOf(NotFoundException.class);
        assertThatThrownBy(() -> store.find("")).isInstanceOf(NotFoundException.class);
    }

    @Test
    void itsSizeIsThatOfItsFiles() throws Exception {
        long empty = store.usedBytes();
        Manifest manifest = Fixture.checkpoint(store, 1);
        long one = store.usedBytes();
        assertThat(one).isGreaterThan(empty + store.storedBytes(manifest));
        store.remove(manifest.id());
        assertThat(store.usedBytes()).isLessThan(one - store.storedBytes(manifest));
    }

    @Test
    void aNameSharedByTwoCheckpointsIsAmbiguous() throws Exception {
        SegmentName devices = store.putBytes(SegmentKind.DEVICE, Fixture.noise(1, 1));
        SegmentName memory = Fixture.memory(store, Fixture.noise(1, 2));
        Optional<String> name = Optional.of("nightly");
        CheckpointId first = new CheckpointId("20260102T030405Z-0000000000000001");
        CheckpointId second = new CheckpointId("20260102T030405Z-0000000000000002");
        store.publish(Fixture.manifest(first, name, devices, memory));
        assertThat(store.find("nightly").id()).isEqualTo(first);
        store.publish(Fixture.manifest(second, name, devices, memory));
        assertThatThrownBy(() -> store.find("nightly"))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining(first.value())
                .hasMessageContaining(second.value());
        assertThat(store.find("latest").id()).isEqualTo(second);
    }

    @Test
    void everythingInTheStoreIsPrivate() throws Exception {
        Fixture.checkpoint(store, 1);
        store.recordLayers(FileIdentity.of(folder), List.of());
        try (Stream<Path> paths = Files.walk(store.directory())) {
            for (Path path : paths.toList()) {
                String expected = Files.isDirectory(path) ? "rwx------" : "rw-------";
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                        .as(path.toString())
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void publishRefusesWhatIsNotThereAndWhatIsThereAlready() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        assertThatThrownBy(() -> store.publish(manifest)).isInstanceOf(ConflictException.class);
        SegmentName missing = new SegmentName("memory-" + "0".repeat(64));
        Manifest incomplete = Fixture.manifest(manifest.devices().segment(), missing);
        assertThatThrownBy(() -> store.publish(incomplete))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining(missing.value());
        Manifest crossed =
                Fixture.manifest(manifest.devices().segment(), manifest.devices().segment());
        assertThatThrownBy(() -> store.publish(crossed)).isInstanceOf(CorruptException.class);
        assertThat(store.list()).containsExactly(manifest);
    }

    @Test
    void removeKeepsSegmentsThatAnotherCheckpointUses() throws Exception {
        SegmentName devices = store.putBytes(SegmentKind.DEVICE, Fixture.noise(1, 1));
        SegmentName first = Fixture.memory(store, Fixture.noise(3, 2));
        SegmentName second = Fixture.memory(store, Fixture.noise(3, 3));
        Manifest one = Fixture.manifest(devices, first);
        Manifest two = Fixture.manifest(devices, second);
        store.publish(one);
        store.publish(two);
        RemoveReport report = store.remove(one.id());
        assertThat(report.segmentsRemoved()).isEqualTo(1);
        assertThat(report.segmentsKept()).isEqualTo(1);
        assertThat(report.bytesFreed()).isGreaterThan(3 * Fixture.PAGE);
        assertThat(store.list()).containsExactly(two);
        assertThat(store.verify(two, ProgressListener.none()).problems()).isEmpty();
        assertThatThrownBy(() -> store.openSegment(first)).isInstanceOf(NotFoundException.class);
        assertThatThrownBy(() -> store.remove(one.id())).isInstanceOf(NotFoundException.class);
        store.remove(two.id());
        assertThat(store.directory().resolve("segments")).isEmptyDirectory();
    }

    @Test
    void segmentsStayWhileTheStoreIsInUse() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        try (Store other = Store.open(store.directory())) {
            SegmentName unpublished = Fixture.memory(other, Fixture.noise(1, 9));
            RemoveReport removed = store.remove(manifest.id());
            assertThat(removed.segmentsSkipped()).isTrue();
            assertThat(removed.segmentsRemoved()).isZero();
            assertThat(store.list()).isEmpty();
            assertThatThrownBy(() -> store.remove(manifest.id()))
                    .isInstanceOf(NotFoundException.class);
            assertThat(store.clean().segmentsSkipped()).isTrue();
            manifest.segments()
                    .forEach(name -> assertThat(Fixture.segmentFile(store, name)).exists());
            other.openSegment(unpublished).close();
            other.abandon(List.of(unpublished));
            CleanReport report = store.clean();
            assertThat(report.segmentsSkipped()).isFalse();
            assertThat(report.segmentsRemoved()).isEqualTo(1 + manifest.segments().size());
        }
        Manifest next = Fixture.checkpoint(store, 2);
        try (StoreHold hold = store.hold()) {
            assertThat(hold).isNotNull();
            assertThat(store.remove(next.id()).segmentsSkipped()).isTrue();
        }
        assertThat(store.clean().segmentsRemoved()).isEqualTo(next.segments().size());
    }

    @Test
    void leftoversOfDeadWritersAreCleanedAndThoseOfLiveOnesAreNot() throws Exception {
        Path dead = Files.createDirectory(store.directory().resolve("tmp/dead"));
        Files.createFile(dead.resolve("lock"));
        Files.writeString(dead.resolve("1"), "half a segment");
        Path justMade = Files.createDirectory(store.directory().resolve("tmp/justmade"));
        try (SegmentWriter writer = store.newSegment(SegmentKind.MEMORY, Fixture.PAGE, 4096)) {
            assertThat(dead).as("cleaned when the next run writes").doesNotExist();
            assertThat(justMade).exists();
            try (Store other = Store.open(store.directory())) {
                other.clean();
            }
            store.abandon(List.of(writer.finish()));
        }
        assertThat(store.clean().temporaryDirectoriesRemoved()).isEqualTo(1);
        assertThat(justMade).doesNotExist();
    }

    @Test
    void aManifestThatCannotBeReadIsListedApartAndBlocksReclaiming() throws Exception {
        Manifest good = Fixture.checkpoint(store, 1);
        Manifest future = Fixture.checkpoint(store, 2);
        Path file = store.directory().resolve("checkpoints/" + future.id() + ".json");
        String text = Files.readString(file);
        Files.writeString(file, text.replace("\"version\":1", "\"version\":2"));
        assertThat(store.list()).containsExactly(good);
        assertThat(store.unreadable())
                .singleElement()
                .isInstanceOf(UnsupportedException.class)
                .hasToString(store.unreadable().getFirst().toString());
        assertThatThrownBy(() -> store.find(future.id().value()))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("newer vmckpt");
        assertThatThrownBy(() -> store.find(future.id().shortForm()))
                .isInstanceOf(UnsupportedException.class);
        assertThatThrownBy(() -> store.remove(good.id()))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining(future.id().value());
        assertThatThrownBy(store::clean).isInstanceOf(RefusedException.class);
        store.remove(future.id());
        assertThat(store.clean().segmentsRemoved()).isEqualTo(2);
        assertThat(store.verify(good, ProgressListener.none()).intact()).isTrue();
    }

    @Test
    void futureStoreAndSegmentVersionsAreUnsupported() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        SegmentName name = manifest.devices().segment();
        Path file = Fixture.segmentFile(store, name);
        byte[] bytes = Files.readAllBytes(file);
        bytes[8] = 2;
        Files.write(file, bytes);
        assertThatThrownBy(() -> store.openSegment(name))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining(name.value())
                .hasMessageContaining("version is 2");
        Path marker = store.directory().resolve("vmckpt-store.json");
        Files.writeString(
                marker, Files.readString(marker).replace("\"version\":1", "\"version\":9"));
        assertThatThrownBy(() -> Store.open(store.directory()))
                .isInstanceOf(UnsupportedException.class)
                .hasMessageContaining("9");
    }

    @Test
    void otherFoldersAreNotTakenForStores() throws Exception {
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.writeString(other.resolve("notes.txt"), "mine");
        assertThatThrownBy(() -> Store.openOrCreate(other))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("notes.txt");
        assertThatThrownBy(() -> Store.open(other)).isInstanceOf(NotFoundException.class);
        assertThatThrownBy(() -> Store.open(folder.resolve("none")))
                .isInstanceOf(NotFoundException.class);
        Path file = other.resolve("notes.txt");
        assertThatThrownBy(() -> Store.openOrCreate(file))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("a store is a folder");
    }

    @Test
    void linksInAStoreAreNotFollowed() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        SegmentName name = manifest.devices().segment();
        Path file = Fixture.segmentFile(store, name);
        Path outside = folder.resolve("outside.seg");
        Files.move(file, outside);
        Files.createSymbolicLink(file, outside);
        assertThatThrownBy(() -> store.openSegment(name)).isInstanceOf(VmckptException.class);
        store.remove(manifest.id());
        assertThat(outside).exists();
        store.close();
        Path state = store.directory().resolve("state");
        Files.delete(state);
        Files.createSymbolicLink(state, folder);
        assertThatThrownBy(() -> Store.open(store.directory()))
                .isInstanceOf(CorruptException.class)
                .hasMessageContaining("state");
    }

    @Test
    void layersAreRememberedForOneStateOfAFile() throws Exception {
        Path disk = Files.writeString(folder.resolve("disk.raw"), "content");
        SegmentName layer = store.putBytes(SegmentKind.DISK, Fixture.noise(1, 1));
        FileIdentity before = FileIdentity.of(disk);
        assertThat(store.layersOf(before)).isEmpty();
        store.recordLayers(before, List.of(layer));
        assertThat(store.layersOf(FileIdentity.of(disk))).contains(List.of(layer));
        Files.setLastModifiedTime(disk, java.nio.file.attribute.FileTime.fromMillis(1));
        assertThat(store.layersOf(FileIdentity.of(disk))).isEmpty();
        Files.delete(Fixture.segmentFile(store, layer));
        assertThat(store.layersOf(before)).isEmpty();
    }

    @Test
    void anIdentityThatALaterWriteMayKeepIsNotTrusted() throws Exception {
        long second = 1_000_000_000;
        long now = FileIdentity.nowNanos() / second * second;
        FileIdentity coarse = new FileIdentity("/a", 1, 2, 3, now - 9 * second, now);
        store.recordLayers(coarse, List.of());
        assertThat(store.layersOf(coarse)).isEmpty();
        FileIdentity settled = new FileIdentity("/a", 1, 2, 3, now - 9 * second, now - 3 * second);
        store.recordLayers(settled, List.of());
        assertThat(store.layersOf(settled)).isPresent();
        FileIdentity fine = new FileIdentity("/a", 1, 2, 3, now - 9 * second, now + 1);
        store.recordLayers(fine, List.of());
        assertThat(store.layersOf(fine)).isPresent();
    }

    @Test
    void aDamagedHintIsNoError() throws Exception {
        FileIdentity identity = FileIdentity.of(folder);
        store.recordLayers(identity, List.of());
        try (Stream<Path> hints = Files.list(store.directory().resolve("state"))) {
            for (Path hint : hints.toList()) {
                for (String damage : List.of("", "null", "[", "{}", "{\"version\":1}")) {
                    Files.write(hint, damage.getBytes(StandardCharsets.UTF_8));
                    assertThat(store.layersOf(identity)).isEmpty();
                }
            }
        }
    }

    @Test
    void exportAndImportCarryACheckpointToAnotherStore() throws Exception {
        Manifest manifest = Fixture.checkpoint(store, 1);
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        long written = store.exportTo(manifest, stream, ProgressListener.none());
        assertThat(written).isEqualTo(stream.size());
        try (Store other = Store.openOrCreate(folder.resolve("other"))) {
            for (int times = 0; times < 2; times++) {
                Manifest imported =
                        other.importFrom(
                                new ByteArrayInputStream(stream.toByteArray()),
                                ProgressListener.none());
                assertThat(imported).isEqualTo(manifest);
                assertThat(other.list()).containsExactly(manifest);
                assertThat(other.verify(imported, ProgressListener.none()).problems()).isEmpty();
            }
        }
    }
}
