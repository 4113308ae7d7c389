package org.vmckpt.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpPractice;
import org.vmckpt.core.store.SegmentKind;
import org.vmckpt.core.store.SegmentWriter;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.memory.MemoryTracker;

/**
 * Run by the build to fill the start-up cache: whatever is loaded and profiled here is there when
 * the command starts. It needs no guest and no privilege; without the right to use userfaultfd the
 * fault path is left out.
 */
final class StartupTraining {
    private static final int PAGE_BYTES = 4096;
    private static final int PAGES = 1024;

    private StartupTraining() {}

    public static void main(String[] arguments) throws IOException, VmckptException {
        Path folder = Files.createTempDirectory("vmckpt-training");
        try {
            loadOwnClasses();
            Path store = folder.resolve("store");
            fill(store);
            runCommands(store.toString());
            MemoryTracker.practise();
            QmpPractice.once();
        } finally {
            delete(folder);
        }
    }

    /** Those of our own jars: what a checkpoint and a restore need cannot be run here. */
    private static void loadOwnClasses() throws IOException {
        for (String path : System.getProperty("java.class.path").split(":", -1)) {
            try (JarFile jar = new JarFile(path)) {
                String others = jar.getManifest().getMainAttributes().getValue("Class-Path");
                Path folder = Path.of(path).toAbsolutePath().resolveSibling("");
                loadClasses(jar);
                for (String other : others.split(" ", -1)) {
                    if (other.startsWith("vmckpt-")) {
                        try (JarFile otherJar = new JarFile(folder.resolve(other).toFile())) {
                            loadClasses(otherJar);
                        }
                    }
                }
            }
        }
    }

    private static void loadClasses(JarFile jar) {
        ClassLoader loader = StartupTraining.class.getClassLoader();
        jar.stream()
                .map(JarEntry::getName)
                .filter(name -> name.endsWith(".class") && !name.endsWith("-info.class"))
                .map(name -> name.substring(0, name.length() - ".class".length()))
                .forEach(name -> load(name.replace('/', '.'), loader));
    }

    private static void load(String name, ClassLoader loader) {
        try {
            Class.forName(name, false, loader);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void fill(Path directory) throws VmckptException {
        byte[] content = new byte[PAGES * PAGE_BYTES];
        new Random(1).nextBytes(content);
        long[] pages = new long[PAGES];
        for (int i = 0; i < PAGES; i++) {
            pages[i] = i;
        }
        try (Store store = Store.openOrCreate(directory);
                SegmentWriter writer =
                        store.newSegment(SegmentKind.MEMORY, PAGE_BYTES, content.length)) {
            writer.append(pages, PAGES, ByteBuffer.wrap(content));
            writer.finish();
        }
    }

    private static void runCommands(String store) {
        for (List<String> command :
                List.of(
                        List.of("--help"),
                        List.of("checkpoint", "--help"),
                        List.of("doctor", "--store", store),
                        List.of("doctor", "--store", store, "--json"),
                        List.of("list", "--store", store),
                        List.of("list", "--store", store, "--json"),
                        List.of("verify", "--all", "--store", store),
                        List.of("checkpoint", "qmp:" + store, "--store", store),
                        List.of("clean", "--store", store))) {
            Vmckpt.run(Streams.ofNobody(), command.toArray(String[]::new));
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
