package org.vmckpt.testvm;

import java.nio.file.Path;
import java.time.Duration;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.GuestAddress;

/** Asks for checkpoints where the drain limit is not the point: a busy host may need longer. */
public final class PatientRequest {
    private static final Duration DRAIN_LIMIT = Duration.ofSeconds(60);

    /** The same as an option of a command. */
    static final String DRAIN_OPTION = "--drain-timeout=" + DRAIN_LIMIT.toSeconds() + "s";

    /** The same in the configuration of a guest of the agent. */
    static final String DRAIN_SETTING = "drain-timeout: " + DRAIN_LIMIT.toSeconds() + "s";

    private PatientRequest() {}

    public static CheckpointRequest of(Path qmpSocket, Store store) {
        return of(GuestAddress.of(qmpSocket), store);
    }

    public static CheckpointRequest of(GuestAddress guest, Store store) {
        return CheckpointRequest.of(guest, store).withDrainTimeout(DRAIN_LIMIT);
    }
}
