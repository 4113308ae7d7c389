package org.vmckpt.cow.rollback;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.vmckpt.cow.definition.QemuOption;
import org.vmckpt.cow.restore.Takeover;

/** The place of a guest that ended just now: what of this host it used, its successor may use. */
record SameHost(String rollback) implements Takeover {
    @Override
    public boolean owns(Path output) {
        return false;
    }

    @Override
    public boolean has(QemuOption option) {
        return true;
    }

    @Override
    public void cannotShare(String what) {
        // There is nobody to share it with.
    }

    /** By which a restore that was killed half-way is found by the next attempt. */
    @Override
    public Map<String, String> environment() {
        return Map.of(Journal.VARIABLE, rollback);
    }

    @Override
    public void makeWay(Set<Path> outputs) {
        // Nothing is in the way.
    }
}
