package org.vmckpt.cow.restore;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.definition.QemuOption;

/**
 * The guest whose place a restored one takes, on this host: what is that one's need not be out of
 * the way when the restore is planned, for it {@linkplain #makeWay makes way}.
 */
public interface Takeover {
    /** Nobody's place: what is in the way of the new guest is a problem. */
    Takeover NONE =
            new Takeover() {
                @Override
                public boolean isNobody() {
                    return true;
                }

                @Override
                public boolean owns(Path output) {
                    return false;
                }

                @Override
                public boolean has(QemuOption option) {
                    return false;
                }

                @Override
                public void cannotShare(String what) {
                    throw new IllegalStateException("nobody has " + what);
                }

                @Override
                public Map<String, String> environment() {
                    return Map.of();
                }

                @Override
                public void makeWay(Set<Path> outputs) {
                    // Nothing is in the way.
                }
            };

    /** Whether there is no such guest. */
    default boolean isNobody() {
        return false;
    }

    /** Whether a socket or file that the new QEMU will make is that guest's. */
    boolean owns(Path output);

    /** Whether that guest was started with this very option. */
    boolean has(QemuOption option);

    /** Two guests cannot have this at a time: the old one has to end before the new one starts. */
    void cannotShare(String what);

    /** By which the new QEMU is known. */
    Map<String, String> environment();

    /**
     * Called when all is ready but the new QEMU.
     *
     * @param outputs what it will make: when this returns, none of these exists
     */
    void makeWay(Set<Path> outputs) throws VmckptException;

    /** Called when the new guest runs; not when it stays stopped. */
    default void newGuestRuns() {}
}
