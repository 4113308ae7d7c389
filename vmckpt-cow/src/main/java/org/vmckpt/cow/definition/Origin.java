package org.vmckpt.cow.definition;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import org.vmckpt.core.CheckpointId;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.Manifest.GuestDefinition;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;

/**
 * Which checkpoint a guest went on from. A restored QEMU has it in its environment, where it stays
 * for as long as that guest lives, and goes with it.
 */
public final class Origin {
    private static final String VARIABLE = "VMCKPT_RESTORED_FROM";

    private Origin() {}

    /** For a QEMU that is about to be started with this environment. */
    public static void note(CheckpointId origin, Map<String, String> environment) {
        environment.put(VARIABLE, origin.value());
    }

    /**
     * The newest checkpoint that this QEMU had before; else the one that it was restored from. What
     * is not known is left out: it is for people.
     */
    public static Optional<CheckpointId> of(long pid, GuestDefinition guest, Store store)
            throws VmckptException {
        Instant started =
                ProcessHandle.of(pid)
                        .flatMap(process -> process.info().startInstant())
                        .orElse(Instant.MAX);
        Optional<CheckpointId> own =
                store.list().stream()
                        .filter(manifest -> manifest.guest().isSameGuest(guest))
                        .filter(manifest -> manifest.createdAt().isAfter(started))
                        .max(Comparator.comparing(Manifest::createdAt))
                        .map(Manifest::id);
        return own.or(() -> noted(Path.of("/proc", Long.toString(pid), "environ")));
    }

    static Optional<CheckpointId> noted(Path environment) {
        try {
            String all = Files.readString(environment, StandardCharsets.ISO_8859_1);
            for (String variable : all.split("\0", -1)) {
                String value = variable.replaceFirst("^" + VARIABLE + "=", "");
                if (!value.equals(variable) && CheckpointId.isWellFormed(value)) {
                    return Optional.of(new CheckpointId(value));
                }
            }
        } catch (IOException e) {
            // The process ended, which the checkpoint finds out by itself.
        }
        return Optional.empty();
    }
}
