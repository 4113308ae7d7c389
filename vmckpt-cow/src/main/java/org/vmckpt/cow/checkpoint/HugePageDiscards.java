package org.vmckpt.cow.checkpoint;

import java.util.List;
import java.util.OptionalLong;
import org.vmckpt.core.MemoryDiscardedException;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.memory.DiscardingDevices;
import org.vmckpt.cow.memory.RamRegion;

/**
 * Memory in huge pages that the guest gives back. QEMU punches it out of its file and leaves out
 * the madvise by which the kernel would tell us. So the devices that never announce what they give
 * back are refused, and a balloon must be as large at a capture's end as when memory began to be
 * tracked: a huge page goes only when all of its 512 parts are in the balloon, and the guest tells
 * its size after every 256 at most.
 */
final class HugePageDiscards {
    private final QmpClient qmp;
    private final boolean watched;
    private final OptionalLong before;

    private HugePageDiscards(QmpClient qmp, boolean watched) throws VmckptException {
        this.qmp = qmp;
        this.watched = watched;
        this.before = watched ? balloonBytes() : OptionalLong.empty();
    }

    /**
     * Refuses devices that give memory back at any time.
     *
     * @throws UnsupportedException says which, and what to do
     */
    static void refuse(QmpClient qmp, List<RamRegion> regions) throws VmckptException {
        if (!areHuge(regions)) {
            return;
        }
        DiscardingDevices devices = new DiscardingDevices(qmp);
        for (String balloon : devices.balloons()) {
            if (devices.reportsFreePages(balloon)) {
                throw refusal("its balloon reports free pages", "with free-page-reporting=off");
            }
        }
        if (!devices.virtioMem().isEmpty()) {
            throw refusal("it has a virtio-mem device", "without that device");
        }
    }

    private static UnsupportedException refusal(String found, String remedy) {
        return new UnsupportedException(
                "checkpoint: the guest's memory is in huge pages, and "
                        + found
                        + ": the kernel does not tell when huge pages are given back; start the"
                        + " guest "
                        + remedy
                        + ", or without huge pages");
    }

    private static boolean areHuge(List<RamRegion> regions) {
        return regions.stream().anyMatch(RamRegion::isHuge);
    }

    /** Looks at the balloon, if memory is in huge pages. Before any of it is protected. */
    static HugePageDiscards watch(QmpClient qmp, List<RamRegion> regions) throws VmckptException {
        return new HugePageDiscards(qmp, areHuge(regions));
    }

    /** Whether memory may have been given back since. */
    boolean happened() throws VmckptException {
        return watched && !before.equals(balloonBytes());
    }

    /** After the last page was read. */
    void refuseIfHappened() throws VmckptException {
        if (happened()) {
            throw new MemoryDiscardedException(
                    "checkpoint: the guest's balloon changed its size while memory in huge pages"
                            + " was copied, so its content at the checkpoint is not known; take"
                            + " the checkpoint again, or keep the balloon still meanwhile");
        }
    }

    /** What the balloon leaves to the guest; empty without one. */
    private OptionalLong balloonBytes() throws VmckptException {
        try {
            return OptionalLong.of(qmp.execute("query-balloon").path("actual").asLong());
        } catch (ProtocolException withoutABalloon) {
            return OptionalLong.empty();
        }
    }
}
