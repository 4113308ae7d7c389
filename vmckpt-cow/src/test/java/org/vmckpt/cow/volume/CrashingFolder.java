package org.vmckpt.cow.volume;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.vmckpt.cow.block.CrashFile;
import org.vmckpt.cow.block.ForwardingFile;
import org.vmckpt.cow.block.StorageFile;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;

/**
 * A volume's folder whose layers' files lose, at a crash of the host, any part of what was not
 * synced, {@code volume.json} its last renames, and the logs what they are for. A crash can be
 * taken in the middle of a call: what is there at that instant is put back later.
 */
final class CrashingFolder implements FileOpener {
    private static final int LOG_IDENTITY_AT = 20;

    private final Path folder;
    private final Random random;
    private final Map<Path, CrashFile> layers = new HashMap<>();

    /** What {@code volume.json} may be again after a crash of the host. */
    private Optional<byte[]> older = Optional.empty();

    private int changesLeft = Integer.MAX_VALUE;
    private boolean killNext;
    private final Map<Path, byte[]> left = new HashMap<>();

    CrashingFolder(Path folder, Random random) {
        this.folder = folder;
        this.random = random;
    }

    interface Closing {
        void close() throws Exception;
    }

    private Path description() {
        return folder.resolve(VolumeDescription.FILE);
    }

    /** Where what is captured keeps its names, and so its identity. */
    private Path link(Path file) {
        return folder.resolveSibling(folder.getFileName() + "." + file.getFileName());
    }

    @Override
    public StorageFile open(Path path, boolean writable) {
        CrashFile file = layers.computeIfAbsent(path, CrashingFolder::load);
        return new ForwardingFile(file) {
            @Override
            public void write(ByteBuffer from, long offset) throws IOException {
                count();
                super.write(from, offset);
            }

            @Override
            public void sync() throws IOException {
                count();
                super.sync();
            }
        };
    }

    private static CrashFile load(Path path) {
        try {
            return new CrashFile(Files.readAllBytes(path));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void count() throws IOException {
        if (changesLeft != Integer.MAX_VALUE && --changesLeft < 0) {
            changesLeft = Integer.MAX_VALUE;
            capture(killNext);
        }
    }

    /** After some more writes and syncs of layers. */
    void crashAfter(int changes, boolean kill) {
        changesLeft = changes;
        killNext = kill;
    }

    boolean hasCrashed() {
        return !left.isEmpty();
    }

    /** {@code volume.json} is about to be renamed, and that not to be synced. */
    void isRenamed() throws IOException {
        older = Optional.of(Files.readAllBytes(description()));
    }

    /** What comes begins with a sync of the folder. */
    void isSynced() {
        older = Optional.empty();
    }

    private void capture(boolean kill) throws IOException {
        for (Path file : list()) {
            CrashFile layer = layers.get(file);
            byte[] content = layer == null ? Files.readAllBytes(file) : after(layer, kill);
            if (!kill && file.toString().endsWith(".log") && content.length > LOG_IDENTITY_AT) {
                content[LOG_IDENTITY_AT] ^= 1;
            }
            left.put(file, content);
            Files.deleteIfExists(link(file));
            Files.createLink(link(file), file);
        }
        if (!kill && older.isPresent() && random.nextBoolean()) {
            left.put(description(), older.get());
        }
    }

    private byte[] after(CrashFile layer, boolean kill) {
        return kill ? layer.afterKill() : layer.afterCrash(random);
    }

    private List<Path> list() throws IOException {
        try (Stream<Path> listed = Files.list(folder)) {
            return listed.toList();
        }
    }

    /** Closes the volume, and puts the files back as they were when it crashed, or else are now. */
    void crash(boolean kill, Closing volume) throws Exception {
        changesLeft = Integer.MAX_VALUE;
        if (!hasCrashed()) {
            capture(kill);
        }
        volume.close();
        for (Path file : list()) {
            if (!left.containsKey(file)) {
                Files.delete(file);
            }
        }
        for (Map.Entry<Path, byte[]> file : left.entrySet()) {
            if (!Files.exists(file.getKey())) {
                Files.createLink(file.getKey(), link(file.getKey()));
            }
            Files.write(file.getKey(), file.getValue());
            Files.delete(link(file.getKey()));
        }
        left.clear();
        layers.clear();
        isSynced();
    }

    /** The volume was closed, and is to be opened again. */
    void restart() throws IOException {
        for (Map.Entry<Path, CrashFile> layer : layers.entrySet()) {
            if (Files.exists(layer.getKey())) {
                Files.write(layer.getKey(), layer.getValue().afterKill());
            }
        }
        layers.clear();
        isSynced();
    }
}
