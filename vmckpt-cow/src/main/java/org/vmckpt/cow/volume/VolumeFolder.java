package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.DurableFiles;
import org.vmckpt.cow.volume.VolumeDescription.LayerFile;

/**
 * The folder of a volume: {@code volume.json}, its layers' files, a lock, and its <em>holds</em>:
 * an empty file for each checkpoint that still needs a frozen layer and those below.
 */
public final class VolumeFolder {
    private static final int MAX_DESCRIPTION_BYTES = 1 << 20;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");
    private static final Pattern LAYER = Pattern.compile("layer-([0-9]{1,9})\\.qcow2");
    private static final Pattern HOLD =
            Pattern.compile("hold\\.(layer-[0-9]{1,9}\\.qcow2)\\.(" + NAME.pattern() + ")");

    private final Path folder;

    private VolumeFolder(Path folder) {
        this.folder = folder;
    }

    /** A folder that holds a volume. */
    public static VolumeFolder of(Path folder) throws VmckptException {
        VolumeFolder found = new VolumeFolder(folder.toAbsolutePath().normalize());
        if (!Files.isRegularFile(found.descriptionFile())) {
            throw new NotFoundException(
                    folder + " holds no volume; make one with 'vmckpt volume create'");
        }
        return found;
    }

    /** A new, empty folder; the description makes it a volume. */
    static VolumeFolder make(Path folder) throws VmckptException {
        try {
            DurableFiles.createFolder(folder);
            return new VolumeFolder(folder.toAbsolutePath().normalize());
        } catch (FileAlreadyExistsException e) {
            throw new ConflictException("creating volume " + folder + ": it exists already", e);
        } catch (IOException e) {
            throw new StorageException("creating volume " + folder + ": " + e, e);
        }
    }

    /** Whether a volume or the owner of a hold may be called so. */
    public static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    static boolean isLayerName(String file) {
        return LAYER.matcher(file).matches();
    }

    public Path path() {
        return folder;
    }

    Path descriptionFile() {
        return folder.resolve(VolumeDescription.FILE);
    }

    Path file(LayerFile layer) {
        return folder.resolve(layer.file());
    }

    VolumeDescription read() throws VmckptException {
        try {
            return VolumeDescription.decode(
                    DurableFiles.read(descriptionFile(), MAX_DESCRIPTION_BYTES), descriptionFile());
        } catch (IOException e) {
            throw new StorageException("reading " + descriptionFile() + ": " + e, e);
        }
    }

    Path stagedFile() {
        return descriptionFile().resolveSibling(VolumeDescription.FILE + ".next");
    }

    /** As {@link #read}, and with a fork that a killed process had not recorded. */
    VolumeDescription readSettled() throws VmckptException {
        try {
            return UnrecordedFork.decide(this, read());
        } catch (IOException e) {
            throw new StorageException("reading volume " + folder + ": " + e, e);
        }
    }

    /** Writes a description beside the one that counts; {@link #adoptStaged} makes it count. */
    void stage(VolumeDescription description) throws IOException {
        Files.deleteIfExists(stagedFile());
        DurableFiles.write(stagedFile(), description.encode());
    }

    /** For all processes at once; durable after {@link #sync}. */
    void adoptStaged() throws IOException {
        Files.move(stagedFile(), descriptionFile(), StandardCopyOption.ATOMIC_MOVE);
    }

    void sync() throws IOException {
        DurableFiles.syncFolder(folder);
    }

    void write(VolumeDescription description) throws IOException {
        stage(description);
        adoptStaged();
        sync();
    }

    /** A name that no layer has or had, as far as can be seen. */
    LayerFile newLayer(VolumeDescription description) throws IOException {
        long last = -1;
        for (LayerFile layer : description.layers()) {
            last = Math.max(last, numberOf(layer.file()));
        }
        for (Path file : list()) {
            last = Math.max(last, numberOf(file.getFileName().toString()));
        }
        return new LayerFile("layer-" + (last + 1) + ".qcow2", "qcow2");
    }

    private static long numberOf(String file) {
        Matcher matcher = LAYER.matcher(file);
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }

    /** Layers' files that the description does not list. */
    List<Path> unlisted(VolumeDescription description) throws IOException {
        Set<String> listed = new TreeSet<>();
        description.layers().forEach(layer -> listed.add(layer.file()));
        List<Path> others = new ArrayList<>();
        for (Path file : list()) {
            String name = file.getFileName().toString();
            if (isLayerName(name) && !listed.contains(name)) {
                others.add(file);
            }
        }
        return others;
    }

    private List<Path> list() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    /** Who needs which layer, and with it all layers below. */
    public Map<String, Set<String>> holds() throws IOException {
        Map<String, Set<String>> holds = new TreeMap<>();
        for (Path file : list()) {
            Matcher matcher = HOLD.matcher(file.getFileName().toString());
            if (matcher.matches()) {
                holds.computeIfAbsent(matcher.group(1), none -> new TreeSet<>())
                        .add(matcher.group(2));
            }
        }
        return holds;
    }

    boolean isHeldBy(LayerFile layer, String owner) {
        return Files.exists(holdFile(layer.file(), owner));
    }

    void addHold(LayerFile layer, String owner) throws IOException {
        if (!isHeldBy(layer, owner)) {
            Files.createFile(holdFile(layer.file(), owner));
        }
    }

    /** Removes all holds of an owner; returns how many there were. */
    public int removeHolds(String owner) throws IOException {
        int count = 0;
        for (Map.Entry<String, Set<String>> entry : holds().entrySet()) {
            if (entry.getValue().contains(owner)
                    && Files.deleteIfExists(holdFile(entry.getKey(), owner))) {
                count++;
            }
        }
        sync();
        return count;
    }

    private Path holdFile(String layer, String owner) {
        if (!isName(owner)) {
            throw new IllegalArgumentException("a hold of '" + owner + "'");
        }
        return folder.resolve("hold." + layer + "." + owner);
    }

    /** A process that has a volume, and its control socket, if it has one. */
    public record Owner(long pid, Optional<Path> control) {}

    /** Who has it just now; empty when nobody does. */
    public Optional<Owner> owner() throws VmckptException {
        return VolumeLock.owner(folder);
    }
}
