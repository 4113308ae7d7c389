package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.vmckpt.core.VmckptException;
import org.vmckpt.testvm.TestLibvirtd;

/** Saves a domain as another contender does, and measures all of them alike. */
final class SeenFromOutside implements Contender {
    private final Contender contender;
    private final TestLibvirtd host;
    private final String domain;
    private final Path folder;

    SeenFromOutside(Contender contender, TestLibvirtd host, String domain, Path folder) {
        this.contender = contender;
        this.host = host;
        this.domain = domain;
        this.folder = folder;
    }

    @Override
    public String name() {
        return contender.name();
    }

    @Override
    public Measurement measure() throws VmckptException, IOException, InterruptedException {
        try (PauseWatch watch = PauseWatch.start(host.uri(), domain, folder)) {
            long start = System.nanoTime();
            Measurement inside = contender.measure();
            double allMillis = (System.nanoTime() - start) / 1e6;
            Map<CowQuantity, Double> own = new HashMap<>(inside.own());
            own.put(CowQuantity.ALL, allMillis);
            // When it was stopped is left out: what is around the pause is all that vmckpt costs,
            // and a small part of what the others do.
            return new Measurement(
                    Optional.empty(),
                    watch.pause(),
                    inside.copyWindow(),
                    OptionalDouble.empty(),
                    inside.savedBytes(),
                    inside.pauseParts(),
                    own,
                    inside.detail());
        }
    }

    @Override
    public void tidy() throws VmckptException, IOException, InterruptedException {
        contender.tidy();
    }

    @Override
    public void close() throws VmckptException {
        contender.close();
    }
}
