package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.vmckpt.testvm.TestDomain;
import org.vmckpt.testvm.TestLibvirtd;

/** {@code virsh save}, which ends the domain, and {@code virsh restore}, so that it goes on. */
final class SaveAndRestore implements Contender {
    /** A QEMU that has just been started translates the guest's code anew. */
    private static final long WARM_MILLIS = 1000;

    private final TestLibvirtd host;
    private final TestDomain domain;
    private final Path file;

    SaveAndRestore(TestLibvirtd host, TestDomain domain, Path folder) {
        this.host = host;
        this.domain = domain;
        this.file = folder.resolve("domain.save");
    }

    @Override
    public String name() {
        return "libvirt save and restore";
    }

    @Override
    public Measurement measure() throws IOException {
        host.virsh("save", domain.name(), file.toString());
        long bytes = Files.size(file);
        host.virsh("restore", file.toString());
        return new Measurement(
                Optional.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                OptionalLong.of(bytes));
    }

    @Override
    public void tidy() throws IOException, InterruptedException {
        Files.deleteIfExists(file);
        Thread.sleep(WARM_MILLIS);
    }
}
