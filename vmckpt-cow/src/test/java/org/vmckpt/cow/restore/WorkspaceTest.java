package org.vmckpt.cow.restore;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.core.StorageException;

class WorkspaceTest {
    @TempDir Path host;

    @Test
    void whatWasCreatedGoesAndWhatWasThereStays() throws StorageException, IOException {
        Path before = Files.createDirectory(host.resolve("before"));
        Path deep = host.resolve("a/b/disks");
        try (Workspace workspace = new Workspace()) {
            workspace.createFolder(before);
            Files.createFile(workspace.add(before.resolve("mine")));
            workspace.createFolder(deep);
            Files.createFile(deep.resolve("noticed by nobody"));
            workspace.add(host.resolve("never made"));
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(deep)))
                    .isEqualTo("rwx------");
        }
        assertThat(before).isEmptyDirectory();
        assertThat(host.resolve("a")).doesNotExist();
    }

    @Test
    void aFolderThatWasThereIsClosedToOthersUnlessTheRestoreFails()
            throws StorageException, IOException {
        Path folder = Files.createDirectory(host.resolve("disks"));
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-x--x"));
        try (Workspace workspace = new Workspace()) {
            workspace.createFolder(folder);
            assertThat(Files.getPosixFilePermissions(folder))
                    .isEqualTo(PosixFilePermissions.fromString("rwx------"));
        }
        assertThat(Files.getPosixFilePermissions(folder))
                .isEqualTo(PosixFilePermissions.fromString("rwxr-x--x"));
    }

    @Test
    void aCompletedRestoreStays() throws StorageException {
        Path folder = host.resolve("disks");
        try (Workspace workspace = new Workspace()) {
            workspace.createFolder(folder);
            workspace.complete();
            // The shutdown hook may run between completing and closing.
            workspace.undoUnlessCompleted();
            assertThat(folder).isDirectory();
        }
        assertThat(folder).isDirectory();
    }
}
