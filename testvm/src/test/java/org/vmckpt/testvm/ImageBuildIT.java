package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The build script in a cache of its own that holds the packages already. */
final class ImageBuildIT {
    @TempDir private Path cache;

    @BeforeEach
    void copyPackages() throws IOException {
        Path packages = GuestImage.ensureBuilt().folder().resolveSibling("../packages").normalize();
        Path copies = Files.createDirectory(cache.resolve("packages"));
        for (Path file : list(packages)) {
            Files.copy(file, copies.resolve(file.getFileName()));
        }
    }

    @Test
    void twoBuildersAtOnceMakeOneImage() throws IOException, InterruptedException {
        Process first = build(List.of());
        Process second = build(List.of());

        Path image = builtBy(first);
        assertThat(builtBy(second)).isEqualTo(image);
        assertThat(list(cache.resolve("images"))).containsExactly(image);
        assertThat(list(image))
                .map(file -> file.getFileName().toString())
                .containsExactlyInAnyOrder("vmlinux", "initramfs", "counter.img", "slowdisk.so");
        assertThat(list(cache))
                .map(file -> file.getFileName().toString())
                .containsExactlyInAnyOrder("images", "packages", "lock");
    }

    @Test
    void needsNoNetworkWhenThePackagesAreThere() throws IOException, InterruptedException {
        assertThat(builtBy(build(List.of("unshare", "--net")))).isDirectory();
    }

    @Test
    void damagedPackageIsNamedAndNothingIsLeft() throws IOException, InterruptedException {
        Path damaged =
                list(cache.resolve("packages")).stream()
                        .filter(file -> file.toString().endsWith(".deb"))
                        .findFirst()
                        .orElseThrow();
        Files.writeString(damaged, "not a package");

        Process build = build(List.of());
        String complaint = text(build.getErrorStream().readAllBytes());

        assertThat(build.waitFor()).isNotZero();
        assertThat(complaint).contains(damaged.getFileName().toString(), "delete");
        assertThat(list(cache.resolve("images"))).isEmpty();
    }

    private Process build(List<String> wrapper) throws IOException {
        List<String> command =
                Stream.concat(wrapper.stream(), Stream.of(GuestImage.buildScript().toString()))
                        .toList();
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("VMCKPT_CACHE", cache.toString());
        return builder.start();
    }

    private static Path builtBy(Process build) throws IOException, InterruptedException {
        String output = text(build.getInputStream().readAllBytes());
        String complaint = text(build.getErrorStream().readAllBytes());
        assertThat(build.waitFor()).as(complaint).isZero();
        return Path.of(output.strip());
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
