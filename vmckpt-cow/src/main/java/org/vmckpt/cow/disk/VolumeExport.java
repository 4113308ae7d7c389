package org.vmckpt.cow.disk;

import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.cow.definition.OptionProperties;
import org.vmckpt.cow.serving.VolumeServer;

/**
 * A disk that QEMU has over NBD from {@code vmckpt volume serve}.
 *
 * @param volume its name, which is that of the export
 * @param socket the server's, as QEMU sees it
 * @param hostSocket the same socket as this process sees it
 */
public record VolumeExport(String volume, Path socket, Path hostSocket) {
    /** How manifests call the format of such a disk. */
    public static final String FORMAT = "nbd";

    /** QEMU writes the parts as they are, and a volume's name has none of these characters. */
    private static final Pattern URI = Pattern.compile("nbd\\+unix:///([^?/]+)\\?socket=(.+)");

    /** Reads QEMU's name of an NBD node; empty if it is over TCP, or names no export. */
    static Optional<VolumeExport> parse(String filename, QemuFiles files) {
        Matcher matcher = URI.matcher(filename);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        Path socket = files.absolute(matcher.group(2));
        return Optional.of(new VolumeExport(matcher.group(1), socket, files.host(socket)));
    }

    /** What a manifest calls such a disk, from the properties of its {@code -blockdev}. */
    public static Optional<String> uriOf(OptionProperties node, Path workingDirectory) {
        boolean nbd = node.get("driver").equals(Optional.of("nbd"));
        Optional<String> export = node.get("export");
        Optional<String> path = node.get("server.path").or(() -> node.get("path"));
        return nbd && export.isPresent() && path.isPresent()
                ? Optional.of(uri(export.get(), workingDirectory.resolve(path.get()).normalize()))
                : Optional.empty();
    }

    /** What a manifest calls such a disk. */
    public String uri() {
        return uri(volume, socket);
    }

    private static String uri(String volume, Path socket) {
        return "nbd+unix:///" + volume + "?socket=" + socket;
    }

    /** Where its server takes commands. */
    public Path controlSocket() {
        return VolumeServer.controlSocketOf(hostSocket);
    }
}
