package org.vmckpt.core.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.CorruptException;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.SegmentName;

/** Folding layers changes what checkpoints consist of, and never what they hold. */
class CompactorTest {
    private static final int PAGES = 300;

    @TempDir private Path folder;
    @AutoClose private Store store;
    private final Random random = new Random(11);
    private final byte[] model = new byte[PAGES * Fixture.PAGE];
    private final Map<CheckpointId, byte[]> contents = new HashMap<>();

    @BeforeEach
    void openStore() throws Exception {
        store = Store.openOrCreate(folder.resolve("store"));
    }

    private Manifest next(Optional<Manifest> parent) throws Exception {
        Manifest manifest = Chains.next(store, parent, model, random);
        contents.put(manifest.id(), model.clone());
        return manifest;
    }

    private List<Manifest> chain(int length) throws Exception {
        List<Manifest> chain = new ArrayList<>();
        for (int i = 0; i < length; i++) {
            chain.add(next(chain.isEmpty() ? Optional.empty() : Optional.of(chain.getLast())));
        }
        return chain;
    }

    private void checkAll() throws Exception {
        for (Manifest manifest : store.list()) {
            assertThat(Chains.read(store, manifest)).isEqualTo(contents.get(manifest.id()));
            assertThat(store.verify(manifest, ProgressListener.none()).problems()).isEmpty();
        }
    }

    private CompactionReport compact(int maxLayers) throws Exception {
        return Compactor.compact(store, Optional.empty(), maxLayers, ProgressListener.none());
    }

    private int layers(Manifest manifest) throws Exception {
        return store.find(manifest.id().value()).memory().getFirst().layers().size();
    }

    @Test
    void everyMemberOfALongChainGetsAShortOneAndKeepsItsBytes() throws Exception {
        List<Manifest> chain = chain(40);
        CompactionReport report = compact(16);
        assertThat(report.problems()).isEmpty();
        assertThat(report.runsFolded()).isPositive();
        assertThat(layers(chain.getLast())).isLessThanOrEqualTo(16);
        for (Manifest manifest : chain) {
            assertThat(layers(manifest)).isLessThanOrEqualTo(16);
        }
        assertThat(store.list()).hasSize(40);
        checkAll();
        assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
        assertThat(compact(16).runsFolded()).as("there is nothing left to do").isZero();
    }

    @Test
    void segmentsOfRemovedCheckpointsAreGivenBack() throws Exception {
        List<Manifest> chain = chain(40);
        for (Manifest manifest : chain.subList(0, 39)) {
            store.remove(manifest.id());
        }
        assertThat(Chains.present(store)).hasSize(41);
        CompactionReport report =
                Compactor.compact(
                        store, Optional.of(chain.getLast().id()), 1, ProgressListener.none());
        assertThat(layers(chain.getLast())).isOne();
        assertThat(Chains.present(store)).hasSize(2).isEqualTo(Chains.listed(store));
        assertThat(report.cleaned().segmentsRemoved()).isEqualTo(40);
        assertThat(report.checkpointsChanged()).isOne();
        checkAll();
    }

    @Test
    void aForkKeepsWhatItSharesWithTheChain() throws Exception {
        List<Manifest> chain = chain(12);
        byte[] before = model.clone();
        System.arraycopy(contents.get(chain.get(5).id()), 0, model, 0, model.length);
        Manifest fork = next(Optional.of(chain.get(5)));
        Manifest further = next(Optional.of(fork));
        System.arraycopy(before, 0, model, 0, model.length);
        for (Manifest manifest : chain.subList(0, 11)) {
            store.remove(manifest.id());
        }
        compact(4);
        assertThat(layers(further)).isLessThanOrEqualTo(4);
        assertThat(layers(chain.getLast())).isLessThanOrEqualTo(4);
        assertThat(store.list()).hasSize(3);
        checkAll();
        assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
    }

    @Test
    void whoHoldsTheStoreReadsOnWhatWasFolded() throws Exception {
        List<Manifest> chain = chain(20);
        Manifest last = chain.getLast();
        try (StoreHold _ = store.hold();
                LayeredReader reader = store.openLayers(last.memory().getFirst().layers())) {
            CompactionReport report = compact(2);
            assertThat(report.cleaned().segmentsSkipped()).isTrue();
            assertThat(layers(last)).isLessThanOrEqualTo(2);
            assertThat(Fixture.read(reader)).isEqualTo(contents.get(last.id()));
            assertThat(Chains.read(store, last)).as("by its old layers").isEqualTo(model);
        }
        store.clean();
        assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
        assertThat(store.verify(last, ProgressListener.none()).problems())
                .as("by its old manifest")
                .isEmpty();
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        store.exportTo(last, stream, ProgressListener.none());
        try (Store other = Store.openOrCreate(folder.resolve("other"))) {
            Manifest imported =
                    other.importFrom(
                            new ByteArrayInputStream(stream.toByteArray()),
                            ProgressListener.none());
            assertThat(Chains.read(other, imported)).isEqualTo(model);
        }
    }

    @Test
    void aCheckpointThatWasBeingTakenIsPublishedWithTheMergedSegment() throws Exception {
        List<Manifest> chain = chain(20);
        List<SegmentName> layers = new ArrayList<>(chain.getLast().memory().getFirst().layers());
        TreeMap<Integer, byte[]> pages = new TreeMap<>(Chains.change(model, random, 3));
        layers.add(Chains.layer(store, PAGES, pages));
        Manifest late = Chains.manifest(store, Fixture.TIME.plusSeconds(99), model.length, layers);
        contents.put(late.id(), model.clone());
        compact(4);
        Manifest published = store.publish(late);
        assertThat(published).isNotEqualTo(late).isEqualTo(store.find(late.id().value()));
        assertThat(published.memory().getFirst().layers()).hasSizeLessThanOrEqualTo(5);
        checkAll();
        store.clean();
        assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
        checkAll();
    }

    @Test
    void anExportFromBeforeTheCompactionIsNoOtherCheckpoint() throws Exception {
        List<Manifest> chain = chain(20);
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        store.exportTo(chain.getLast(), stream, ProgressListener.none());
        compact(2);
        Manifest compacted = store.find(chain.getLast().id().value());
        byte[] bytes = stream.toByteArray();
        assertThat(store.importFrom(new ByteArrayInputStream(bytes), ProgressListener.none()))
                .isEqualTo(compacted);
        assertThat(Chains.present(store)).as("nothing was added").isEqualTo(Chains.listed(store));
        Files.delete(Fixture.segmentFile(store, compacted.memory().getFirst().layers().getLast()));
        Manifest repaired =
                store.importFrom(new ByteArrayInputStream(bytes), ProgressListener.none());
        assertThat(repaired).isEqualTo(chain.getLast());
        assertThat(Chains.read(store, repaired)).isEqualTo(model);
    }

    @Test
    void aMergedRunHidesWhatItsShorterLayersHid() throws Exception {
        SegmentName base = Fixture.memory(store, Fixture.noise(9, 1));
        List<SegmentName> run =
                List.of(
                        Fixture.memory(store, Fixture.noise(3, 2)),
                        Chains.layer(store, 2, new TreeMap<>()),
                        Chains.layer(store, 7, new TreeMap<>(Map.of(5, Fixture.noise(1, 3)))));
        SegmentName merged = LayerMerge.merge(store, run, ProgressListener.none());
        List<SegmentName> layers = new ArrayList<>(run);
        layers.addFirst(base);
        try (LayeredReader before = store.openLayers(layers);
                LayeredReader after = store.openLayers(List.of(base, merged))) {
            assertThat(Fixture.read(after)).isEqualTo(Fixture.read(before)).hasSize(7 * 4096);
            assertThat(after.state(2)).isEqualTo(UnitState.ZERO);
        }
    }

    @Test
    void aMergedSegmentThatSaysAnythingElseIsRefused() throws Exception {
        byte[] noise = Fixture.noise(1, 1);
        byte[] other = noise.clone();
        other[Fixture.PAGE - 1] ^= 1;
        byte[] zeros = new byte[Fixture.PAGE];
        SegmentName run = Chains.layer(store, 3, new TreeMap<>(Map.of(0, noise, 1, zeros)));
        List<Map<Integer, byte[]>> wrong =
                List.of(
                        Map.of(0, other, 1, zeros),
                        Map.of(0, zeros, 1, zeros),
                        Map.of(1, zeros),
                        Map.of(0, noise),
                        Map.of(0, noise, 1, noise),
                        Map.of(0, noise, 1, zeros, 2, zeros));
        try (LayeredReader source = store.openLayers(List.of(run))) {
            LayerMerge merge = new LayerMerge(source, ProgressListener.none());
            merge.requireEqual(source);
            for (Map<Integer, byte[]> pages : wrong) {
                SegmentName name = Chains.layer(store, 3, new TreeMap<>(pages));
                try (LayeredReader written = store.openLayers(List.of(name))) {
                    assertThatThrownBy(() -> merge.requireEqual(written))
                            .as("%s", pages.keySet())
                            .isInstanceOf(CorruptException.class)
                            .hasMessageContaining(name.value());
                }
            }
        }
    }

    @Test
    void disksAreFoldedLikeMemory() throws Exception {
        List<SegmentName> layers = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            layers.add(store.putBytes(SegmentKind.DISK, Fixture.noise(16 * (20 - i % 2), i)));
        }
        Manifest like = next(Optional.empty());
        Manifest.DiskState disk =
                new Manifest.DiskState("ide0", "#block1", "/d", "raw", 1 << 20, layers);
        Manifest manifest =
                new Manifest(
                        CheckpointId.create(Fixture.TIME),
                        Optional.of("with a disk"),
                        Fixture.TIME,
                        like.engine(),
                        like.guest(),
                        like.devices(),
                        like.memory(),
                        List.of(disk),
                        like.statistics());
        store.publish(manifest);
        byte[] before;
        try (LayeredReader reader = store.openLayers(layers)) {
            before = Fixture.read(reader);
        }
        assertThat(compact(16).problems()).isEmpty();
        Manifest folded = store.find("with a disk");
        assertThat(folded.disks().getFirst().layers()).hasSizeLessThanOrEqualTo(16);
        assertThat(folded.withLayers(any -> List.of()))
                .as("all else stays")
                .isEqualTo(manifest.withLayers(any -> List.of()));
        try (LayeredReader reader = store.openLayers(folded.disks().getFirst().layers())) {
            assertThat(Fixture.read(reader)).isEqualTo(before);
        }
    }

    @Test
    void hintsOfDiskFilesFollow() throws Exception {
        List<Manifest> chain = chain(5);
        List<SegmentName> layers = chain.getLast().memory().getFirst().layers();
        FileIdentity disk = new FileIdentity("/disk", 1, 2, 3, 5, 7);
        store.recordLayers(disk, layers);
        compact(1);
        List<SegmentName> merged =
                store.find(chain.getLast().id().value()).memory().getFirst().layers();
        assertThat(store.layersOf(disk)).contains(merged);
        store.recordLayers(disk, layers);
        assertThat(store.layersOf(disk)).as("recorded by somebody late").contains(merged);
    }

    @Test
    void aDamagedLayerLeavesItsChainAndOthersAreFolded() throws Exception {
        Manifest damaged = chain(20).getLast();
        Manifest good = chain(20).getLast();
        SegmentName name = damaged.memory().getFirst().layers().getFirst();
        byte[] bytes = Files.readAllBytes(Fixture.segmentFile(store, name));
        bytes[SegmentFormat.HEADER_BYTES + 1] ^= 1;
        Files.write(Fixture.segmentFile(store, name), bytes);
        CompactionReport report = compact(1);
        assertThat(report.problems()).isNotEmpty().allMatch(text -> text.contains(name.value()));
        assertThat(layers(good)).isOne();
        assertThat(store.find(damaged.id().value()).segments()).contains(name);
        assertThat(Chains.read(store, store.find(good.id().value())))
                .isEqualTo(contents.get(good.id()));
    }

    @Test
    void anUnreadableManifestForbidsCompaction() throws Exception {
        List<Manifest> chain = chain(20);
        Files.writeString(
                store.directory().resolve("checkpoints/" + chain.getFirst().id() + ".json"), "");
        Set<SegmentName> before = Chains.present(store);
        assertThatThrownBy(() -> compact(4))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining(chain.getFirst().id().value());
        assertThat(Chains.present(store)).isEqualTo(before);
    }

    @Test
    void aListenerThatThrowsEndsItWithNothingChanged() throws Exception {
        chain(20);
        List<Manifest> before = store.list();
        ProgressListener cancel =
                (phase, done, total, unit) -> {
                    if (done > 0) {
                        throw new CancellationException();
                    }
                };
        assertThatThrownBy(() -> Compactor.compact(store, Optional.empty(), 1, cancel))
                .isInstanceOf(CancellationException.class);
        assertThat(store.list()).isEqualTo(before);
        assertThat(store.clean().segmentsSkipped()).as("nothing is held").isFalse();
        assertThat(Chains.present(store)).isEqualTo(Chains.listed(store));
        checkAll();
    }
}
