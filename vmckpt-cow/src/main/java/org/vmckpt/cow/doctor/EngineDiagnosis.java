package org.vmckpt.cow.doctor;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.vmckpt.cow.checkpoint.EngineName;

/**
 * Whether an engine can be used.
 *
 * @param reasons what stands in its way; empty when it is usable
 * @param remedies what to do about that, in the same order
 */
public record EngineDiagnosis(EngineName engine, List<String> reasons, List<String> remedies) {
    public EngineDiagnosis {
        reasons = List.copyOf(reasons);
        remedies = List.copyOf(remedies);
    }

    static EngineDiagnosis of(EngineName engine, List<Finding> findings) {
        List<String> reasons = new ArrayList<>();
        Set<String> remedies = new LinkedHashSet<>();
        for (Finding finding : findings) {
            if (finding.blocked().contains(engine)) {
                reasons.add(finding.what());
                remedies.addAll(finding.remedy());
            }
        }
        return new EngineDiagnosis(engine, reasons, List.copyOf(remedies));
    }

    public boolean usable() {
        return reasons.isEmpty();
    }
}
