package org.vmckpt.cow.doctor;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.vmckpt.cow.checkpoint.EngineName;

/**
 * All that was found.
 *
 * @param host of the host alone
 * @param guest of the guest; empty when none was given
 */
public record Diagnosis(List<Finding> host, List<Finding> guest) {
    public Diagnosis {
        host = List.copyOf(host);
        guest = List.copyOf(guest);
    }

    public List<EngineDiagnosis> engines() {
        List<Finding> findings = Stream.concat(host.stream(), guest.stream()).toList();
        return Arrays.stream(EngineName.values())
                .map(engine -> EngineDiagnosis.of(engine, findings))
                .toList();
    }

    /** With a guest: any engine is usable. Without one: the host has what the best engine needs. */
    public boolean healthy() {
        return engines().stream()
                .filter(engine -> !guest.isEmpty() || engine.engine() == EngineName.UFFD)
                .anyMatch(EngineDiagnosis::usable);
    }
}
