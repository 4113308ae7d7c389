package org.vmckpt.cow.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Room in the store.
 *
 * @param guestBytes the guest's memory, 0 when unknown
 */
record StoreCheck(Path store, long guestBytes) implements HostCheck {
    private static final String WHAT = "store";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        Path folder = store.toAbsolutePath();
        while (!Files.exists(folder) && folder.getParent() != null) {
            folder = folder.getParent();
        }
        if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
            return Finding.obstacle(
                    WHAT,
                    store + " cannot be written",
                    "give another folder with --store, or run vmckpt as root");
        }
        try {
            long freeBytes = Files.getFileStore(folder).getUsableSpace();
            String found = store + " has " + Sizes.format(freeBytes) + " free";
            return freeBytes < guestBytes
                    ? Finding.note(
                            WHAT,
                            found + ", less than the guest's memory of " + Sizes.format(guestBytes),
                            "vmckpt remove CKPT, or --store DIR on a larger file system")
                    : Finding.ok(WHAT, found);
        } catch (IOException e) {
            return Finding.unknown(WHAT, "free space of " + folder + ": " + e);
        }
    }
}
