package org.vmckpt.cow.doctor;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.vmckpt.cow.checkpoint.EngineName;

/**
 * What one check found.
 *
 * @param what the thing that was looked at, in a word or two
 * @param blocked the engines that cannot be used because of it; empty unless it is a problem
 * @param remedy what to do, a line each; empty when there is nothing to mend
 */
public record Finding(
        String what, String found, Verdict verdict, Set<EngineName> blocked, List<String> remedy) {
    public Finding {
        blocked = Set.copyOf(blocked);
        remedy = List.copyOf(remedy);
        if ((verdict == Verdict.PROBLEM) == blocked.isEmpty()) {
            throw new IllegalArgumentException(what + ": a problem, and only that, blocks engines");
        }
    }

    static Finding ok(String what, String found) {
        return new Finding(what, found, Verdict.OK, Set.of(), List.of());
    }

    static Finding note(String what, String found, String... remedy) {
        return new Finding(what, found, Verdict.NOTE, Set.of(), List.of(remedy));
    }

    static Finding unknown(String what, String why) {
        return new Finding(what, why, Verdict.UNKNOWN, Set.of(), List.of());
    }

    static Finding problem(String what, String found, Set<EngineName> blocked, String... remedy) {
        return new Finding(what, found, Verdict.PROBLEM, blocked, List.of(remedy));
    }

    /** A problem of every engine. */
    static Finding obstacle(String what, String found, String... remedy) {
        return problem(what, found, EnumSet.allOf(EngineName.class), remedy);
    }
}
