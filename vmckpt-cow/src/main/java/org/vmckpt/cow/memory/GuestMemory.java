package org.vmckpt.cow.memory;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.linux.ErrnoException;
import org.vmckpt.cow.linux.FileSystem;
import org.vmckpt.cow.linux.LinuxPlatform;

/** Finds a guest's memory in its QEMU, and says why it cannot be protected if so. */
public final class GuestMemory {
    private static final int PAGE_SIZE_BYTES = 4096;
    private static final int LARGEST_PAGE_BYTES = 2 << 20;
    private static final String MEMFD_PREFIX = "/memfd:";
    private static final Pattern HOST_ADDRESS = Pattern.compile(" is 0x([0-9a-f]+)|^0x([0-9a-f]+)");

    private final long pid;
    private final QmpClient qmp;
    private final List<ProcessMapping> mappings;
    private final OtherWriters others;

    private GuestMemory(
            long pid, QmpClient qmp, List<ProcessMapping> mappings, OtherWriters others) {
        this.pid = pid;
        this.qmp = qmp;
        this.mappings = mappings;
        this.others = others;
    }

    /**
     * Lists the memory backends of a guest; the guest is not disturbed.
     *
     * @throws UnsupportedException when memory is private, in huge pages of 1 GiB or in a file on a
     *     disk: says which option makes it fit
     * @throws RefusedException when another process or a device could write it unseen
     */
    public static List<RamRegion> inspect(long pid, QmpClient qmp) throws VmckptException {
        return inspect(pid, qmp, Set.of());
    }

    /**
     * As {@link #inspect(long, QmpClient)}.
     *
     * @param takingPart processes that may map the memory, since they ask {@link OutsideWrites}
     *     before each write
     */
    public static List<RamRegion> inspect(long pid, QmpClient qmp, Set<Long> takingPart)
            throws VmckptException {
        OtherWriters others = OtherWriters.ofEverybodyBut(pid, takingPart);
        return new GuestMemory(pid, qmp, mappings(pid), others).inspect();
    }

    /**
     * Checks again, after memory was copied: whoever began to write meanwhile is found if he still
     * maps it.
     *
     * @throws RefusedException when another process maps it, or a device is passed through
     */
    public static void refuseOtherWriters(long pid, List<RamRegion> regions)
            throws VmckptException {
        refuseOtherWriters(pid, regions, Set.of());
    }

    /**
     * As {@link #refuseOtherWriters(long, List)}.
     *
     * @param takingPart processes that may map the memory, as for {@link #inspect(long, QmpClient,
     *     Set)}
     */
    public static void refuseOtherWriters(long pid, List<RamRegion> regions, Set<Long> takingPart)
            throws VmckptException {
        OtherWriters others = OtherWriters.ofEverybodyBut(pid, takingPart);
        List<ProcessMapping> mappings = mappings(pid);
        for (RamRegion region : regions) {
            for (ProcessMapping mapping : mappings) {
                if (mapping.contains(region.hostAddress())) {
                    others.refuse(mapping, region.id());
                }
            }
        }
    }

    /**
     * Checks that nobody but QEMU writes the guest's memory, of whatever kind that is.
     *
     * @throws RefusedException when another process maps it, or a device is passed through
     */
    public static void refuseOtherWriters(long pid, QmpClient qmp) throws VmckptException {
        OtherWriters others = OtherWriters.ofEverybodyBut(pid);
        others.refuseDevices();
        GuestMemory memory = new GuestMemory(pid, qmp, mappings(pid), others);
        String mtree = qmp.humanMonitor("info mtree -f");
        for (JsonNode found : qmp.execute("query-memdev")) {
            Backend backend = new Backend(found.path("id").asText(), found.path("size").asLong());
            if (found.path("share").asBoolean()) {
                long start = memory.regionStart(backend, mtree);
                others.refuse(memory.mappingAt(backend, start), backend.id());
            }
        }
    }

    static List<ProcessMapping> mappings(long pid) throws VmckptException {
        LinuxPlatform.require();
        try {
            return ProcessMapping.of(pid);
        } catch (IOException unreadable) {
            throw new TransportException(
                    "Reading /proc/"
                            + pid
                            + "/maps: "
                            + unreadable.getMessage()
                            + ": QEMU has ended, or vmckpt is not root",
                    unreadable);
        }
    }

    private List<RamRegion> inspect() throws VmckptException {
        JsonNode backends = qmp.execute("query-memdev");
        List<Backend> known = new ArrayList<>();
        for (JsonNode backend : backends) {
            known.add(new Backend(backend.path("id").asText(), backend.path("size").asLong()));
            if (!backend.path("share").asBoolean()) {
                throw unshared(known.getLast(), backends.size());
            }
        }
        if (known.isEmpty()) {
            throw new UnsupportedException(
                    "The guest (pid "
                            + pid
                            + ") has no memory backend that can be shared: start it"
                            + " with "
                            + MemoryOptions.shared("mem0", 0));
        }
        String mtree = qmp.humanMonitor("info mtree -f");
        List<RamRegion> regions = new ArrayList<>();
        for (Backend backend : known) {
            ProcessMapping mapping = locate(backend, mtree);
            others.refuse(mapping, backend.id());
            long address = regionStart(backend, mtree);
            regions.add(
                    new RamRegion(
                            backend.id(),
                            address,
                            backend.sizeBytes(),
                            PAGE_SIZE_BYTES,
                            protectionBytes(backend, mapping),
                            mapping.mapFile(pid),
                            mapping.fileOffset() + (address - mapping.start())));
        }
        return regions;
    }

    private record Backend(String id, long sizeBytes) {}

    private UnsupportedException unshared(Backend backend, int backendCount) {
        String option =
                backendCount == 1
                        ? MemoryOptions.shared("mem0", backend.sizeBytes())
                        : MemoryOptions.sharedObject(backend.id(), backend.sizeBytes())
                                + " for each backend";
        return new UnsupportedException(
                "The guest's memory %s (pid %d, %d bytes) is private to QEMU; it must be shared:"
                                .formatted(backend.id(), pid, backend.sizeBytes())
                        + " start the guest with "
                        + option
                        + " (libvirt: "
                        + MemoryOptions.LIBVIRT_XML
                        + ")");
    }

    private long regionStart(Backend backend, String mtree) throws VmckptException {
        FlatView.Place place =
                FlatView.placeOf(backend.id(), mtree)
                        .orElseThrow(() ->
                                new UnsupportedException(
                                        "The memory backend "
                                                + backend.id()
                                                + " is not mapped into the guest: unplug it"
                                                + " or add the device that uses it"));
        String answer = qmp.humanMonitor("gpa2hva 0x%x".formatted(place.guestAddress())).strip();
        return hostAddress(answer) - place.offset();
    }

    static long hostAddress(String answer) throws ProtocolException {
        Matcher matcher = HOST_ADDRESS.matcher(answer);
        if (!matcher.find()) {
            throw new ProtocolException(
                    "gpa2hva: expected a host virtual address, found: " + answer);
        }
        String digits = matcher.group(1) == null ? matcher.group(2) : matcher.group(1);
        return Long.parseUnsignedLong(digits, 16);
    }

    /** The mapping that holds a backend's first byte, after a check that all of it is there. */
    private ProcessMapping locate(Backend backend, String mtree) throws VmckptException {
        long start = regionStart(backend, mtree);
        ProcessMapping first = mappingAt(backend, start);
        ProcessMapping last = first;
        while (last.end() < start + backend.sizeBytes()) {
            ProcessMapping next = mappingAt(backend, last.end());
            if (!last.isContinuedBy(next)) {
                throw unfit(backend, next);
            }
            last = next;
        }
        if (!first.isShared() || !first.isWritable()) {
            throw unfit(backend, first);
        }
        return first;
    }

    private ProcessMapping mappingAt(Backend backend, long address) throws TransportException {
        for (ProcessMapping mapping : mappings) {
            if (mapping.contains(address)) {
                return mapping;
            }
        }
        throw new TransportException(
                "Memory %s: QEMU (pid %d) maps nothing at 0x%x where its monitor says it lies: is the"
                                .formatted(backend.id(), pid, address)
                        + " monitor another process's?");
    }

    /** In pieces of which size the kernel can write-protect a memory file. */
    private int protectionBytes(Backend backend, ProcessMapping mapping)
            throws UnsupportedException {
        try {
            FileSystem files = FileSystem.of(mapping.mapFile(pid));
            if (files.isTmpfs()) {
                return PAGE_SIZE_BYTES;
            } else if (files.isHugetlbfs()) {
                return hugePageBytes(backend, files.blockBytes());
            }
        } catch (ErrnoException unreadable) {
            if (mapping.path().startsWith(MEMFD_PREFIX)) {
                // Whoever opens it next says why.
                return PAGE_SIZE_BYTES;
            }
        }
        throw unfit(backend, mapping);
    }

    private int hugePageBytes(Backend backend, long pageBytes) throws UnsupportedException {
        if (pageBytes > LARGEST_PAGE_BYTES) {
            throw new UnsupportedException(
                    "The guest's memory %s (pid %d) is in huge pages of %d MiB: the guest's first write to one would wait until all of it is saved; start the guest with hugetlbsize=2M, or use the pause engine"
                            .formatted(backend.id(), pid, pageBytes >> 20));
        }
        if (backend.sizeBytes() % pageBytes != 0) {
            throw new UnsupportedException(
                    "The guest's memory %s (pid %d) of %d bytes ends inside a huge page: give it a multiple of %d MiB"
                            .formatted(backend.id(), pid, backend.sizeBytes(), pageBytes >> 20));
        }
        return (int) pageBytes;
    }

    private UnsupportedException unfit(Backend backend, ProcessMapping mapping) {
        return new UnsupportedException(
                "The guest's memory %s (pid %d) is mapped from %s (%s), which cannot be"
                                .formatted(backend.id(), pid, mapping.path(), mapping.permissions())
                        + " write-protected: it must be one shared memfd, or a shared file on tmpfs"
                        + " or hugetlbfs; start the guest with "
                        + MemoryOptions.shared("mem0", backend.sizeBytes()));
    }
}
