package org.vmckpt.agent.api;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.Optional;
import java.util.OptionalInt;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;

/**
 * The socket's file. It is made under another name in a folder of root's alone, and gets its place
 * when its owner and mode are right: nobody meets it before.
 */
final class ApiSocket {
    private final Path path;
    private final Path folder;
    private final Optional<GroupPrincipal> group;
    private OptionalInt groupId = OptionalInt.empty();

    private ApiSocket(Path path, Optional<GroupPrincipal> group) {
        this.path = path;
        this.folder = path.resolveSibling(path.getFileName() + ".new");
        this.group = group;
    }

    /**
     * Makes the folder in which the server is to listen at first.
     *
     * @param group whose members may connect, besides root
     */
    static ApiSocket prepare(Path path, Optional<String> group) throws VmckptException {
        try {
            ApiSocket socket =
                    new ApiSocket(
                            path,
                            group.isPresent()
                                    ? Optional.of(lookUp(group.get()))
                                    : Optional.empty());
            socket.makeFolder();
            return socket;
        } catch (IOException e) {
            throw new StorageException("prepare the socket " + path + ": " + e, e);
        }
    }

    private void makeFolder() throws IOException {
        Files.createDirectories(path.resolveSibling(""));
        if (!Files.exists(folder)) {
            Files.createDirectory(
                    folder,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx------")));
        }
        Files.deleteIfExists(temporary());
        if (group.isPresent()) {
            // Java tells the number of a group only as that of a file.
            setGroup(folder);
            groupId = OptionalInt.of((Integer) Files.getAttribute(folder, "unix:gid"));
        }
    }

    /** Where the server is to listen. */
    Path temporary() {
        return folder.resolve("s");
    }

    OptionalInt groupId() {
        return groupId;
    }

    private void setGroup(Path file) throws IOException {
        if (group.isPresent()) {
            Files.getFileAttributeView(file, PosixFileAttributeView.class).setGroup(group.get());
        }
    }

    /** Puts it in its place, once the server listens. */
    void publish() throws VmckptException {
        try {
            setGroup(temporary());
            Files.setPosixFilePermissions(
                    temporary(),
                    PosixFilePermissions.fromString(group.isPresent() ? "rw-rw----" : "rw-------"));
            Files.move(
                    temporary(),
                    path,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            Files.delete(folder);
        } catch (IOException e) {
            throw new StorageException("make the socket " + path + ": " + e, e);
        }
    }

    private static GroupPrincipal lookUp(String group) throws IOException, VmckptException {
        try {
            return Path.of("/")
                    .getFileSystem()
                    .getUserPrincipalLookupService()
                    .lookupPrincipalByGroupName(group);
        } catch (UserPrincipalNotFoundException e) {
            throw new NotFoundException(
                    "let group "
                            + group
                            + " use the API (api.group): there is no such group; make it with"
                            + " 'groupadd --system "
                            + group
                            + "', or name another",
                    e);
        }
    }

    void remove() {
        try {
            Files.deleteIfExists(path);
            Files.deleteIfExists(temporary());
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // The next agent replaces it.
        }
    }
}
