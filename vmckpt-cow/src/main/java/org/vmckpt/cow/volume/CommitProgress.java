package org.vmckpt.cow.volume;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.vmckpt.core.Json;
import org.vmckpt.core.store.DurableFiles;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * How far a layer has been folded into its parent, in {@code commit.json} in the volume's folder.
 * Both are frozen, so what was folded once stays so; what is recorded is durable in the parent. A
 * record of other files, or one that cannot be read, says nothing, and folding begins at the start.
 *
 * @param layer identity of the layer's file, see {@link #identityOf}
 * @param parent identity of its parent's
 * @param bytes all that the layer says below this offset of the disk, its parent says too
 * @param check CRC-32C of the others: to believe a damaged record would lose data
 */
record CommitProgress(String layer, String parent, long bytes, long check) {
    private static final String FILE = "commit.json";
    private static final int MAX_BYTES = 64 << 10;

    /** Nothing is folded yet, or not by anybody who recorded it. */
    static CommitProgress read(VolumeFolder folder, LayerFile layer, LayerFile parent)
            throws IOException {
        CommitProgress none =
                of(identityOf(folder.file(layer)), identityOf(folder.file(parent)), 0);
        return find(folder).filter(it -> it.bytes > 0 && it.equals(none.at(it.bytes))).orElse(none);
    }

    private static Optional<CommitProgress> find(VolumeFolder folder) throws IOException {
        Path file = folder.path().resolve(FILE);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    Json.MAPPER.readValue(
                            DurableFiles.read(file, MAX_BYTES), CommitProgress.class));
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    /** Differs for another file of the same name. */
    private static String identityOf(Path file) throws IOException {
        return file.getFileName()
                + " "
                + Files.getAttribute(file, "unix:dev")
                + ' '
                + Files.getAttribute(file, "unix:ino");
    }

    CommitProgress at(long reached) {
        return of(layer, parent, reached);
    }

    private static CommitProgress of(String layer, String parent, long bytes) {
        CRC32C check = new CRC32C();
        check.update((layer + '\n' + parent + '\n' + bytes).getBytes(StandardCharsets.UTF_8));
        return new CommitProgress(layer, parent, bytes, check.getValue());
    }

    /** Durable on return. */
    void write(VolumeFolder folder) throws IOException {
        Path file = folder.path().resolve(FILE);
        Path staged = file.resolveSibling(FILE + ".next");
        Files.deleteIfExists(staged);
        DurableFiles.write(
                staged, Json.MAPPER.writeValueAsString(this).getBytes(StandardCharsets.UTF_8));
        DurableFiles.rename(staged, file);
    }

    /** The layer is folded, and off the list. */
    static void delete(VolumeFolder folder) throws IOException {
        Files.deleteIfExists(folder.path().resolve(FILE));
    }
}
