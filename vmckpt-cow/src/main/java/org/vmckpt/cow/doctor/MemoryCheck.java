package org.vmckpt.cow.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.EngineTrial;
import org.vmckpt.cow.checkpoint.GuestSession;
import org.vmckpt.cow.memory.GuestMemory;
import org.vmckpt.cow.memory.MemoryOptions;
import org.vmckpt.cow.memory.RamRegion;

/** The guest's memory backends. */
record MemoryCheck(GuestSession guest) implements Check {
    private static final String WHAT = "memory";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() throws VmckptException {
        List<JsonNode> backends = new ArrayList<>();
        guest.qmp().execute("query-memdev").forEach(backends::add);
        String found = describe(backends);
        try {
            List<RamRegion> regions = GuestMemory.inspect(guest.pid(), guest.qmp());
            EngineTrial.requireFit(guest.pid(), guest.qmp(), regions);
            return Finding.ok(WHAT, found + pages(regions));
        } catch (RefusedException e) {
            return Finding.ok(WHAT, found + "; see " + OtherWritersCheck.WHAT);
        } catch (UnsupportedException e) {
            boolean isPrivate =
                    backends.stream().anyMatch(backend -> !backend.path("share").asBoolean());
            return Finding.problem(
                    WHAT,
                    isPrivate ? found : String.valueOf(e.getMessage()),
                    Set.of(EngineName.UFFD),
                    remedy(backends));
        }
    }

    private static String describe(List<JsonNode> backends) {
        List<String> texts = new ArrayList<>();
        for (JsonNode backend : backends) {
            texts.add(
                    "%s, %s, %s"
                            .formatted(
                                    backend.path("id").asText(),
                                    Sizes.format(backend.path("size").asLong()),
                                    backend.path("share").asBoolean()
                                            ? "shared"
                                            : "private to QEMU"));
        }
        return texts.isEmpty() ? "no memory backend" : String.join("; ", texts);
    }

    private static String pages(List<RamRegion> regions) {
        return regions.stream()
                .filter(RamRegion::isHuge)
                .findFirst()
                .map(huge -> ", in huge pages of " + Sizes.format(huge.protectionBytes()))
                .orElse("");
    }

    private String[] remedy(List<JsonNode> backends) throws VmckptException {
        if (EngineTrial.needsFile(guest.pid(), guest.qmp())) {
            long bytes = backends.stream().mapToLong(it -> it.path("size").asLong()).sum();
            return new String[] {"start the guest with " + MemoryOptions.sharedFile("mem0", bytes)};
        }
        return new String[] {
            "start the guest with " + options(backends),
            "or in libvirt: " + MemoryOptions.LIBVIRT_XML
        };
    }

    private static String options(List<JsonNode> backends) {
        if (backends.size() == 1) {
            return MemoryOptions.shared("mem0", backends.getFirst().path("size").asLong());
        }
        List<String> options = new ArrayList<>();
        for (JsonNode backend : backends) {
            options.add(
                    MemoryOptions.sharedObject(
                            backend.path("id").asText(), backend.path("size").asLong()));
        }
        return options.isEmpty() ? MemoryOptions.shared("mem0", 0) : String.join(" ", options);
    }
}
