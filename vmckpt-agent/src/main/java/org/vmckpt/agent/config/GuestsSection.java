package org.vmckpt.agent.config;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.vmckpt.agent.config.AgentConfig.Guest;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.GuestAddress;

/** The part of the configuration about guests. */
final class GuestsSection {
    private static final String MONITOR = "monitor";
    private static final String DOMAIN = "domain";
    private static final GuestAddress WRONG = GuestAddress.of(ConfigReader.NOWHERE);

    private GuestsSection() {}

    /**
     * Reads them.
     *
     * @param libvirtUri where domains are
     * @param scheduled which guests have a schedule
     */
    static Map<String, Guest> read(
            Map<String, Section> sections, String libvirtUri, Set<String> scheduled) {
        Map<String, Guest> guests = new HashMap<>();
        Map<GuestAddress, String> owners = new HashMap<>();
        sections.forEach((name, section) -> {
            GuestAddress address = address(section, libvirtUri);
            String other = owners.putIfAbsent(address, name);
            if (other != null && !address.equals(WRONG)) {
                String field = section.has(DOMAIN) ? DOMAIN : MONITOR;
                section.problem(field, "is the " + field + " of guest " + other + " already");
            }
            guests.put(name, guest(name, section, address, scheduled.contains(name)));
        });
        return guests;
    }

    private static GuestAddress address(Section section, String libvirtUri) {
        Optional<GuestAddress> monitor =
                section.value(MONITOR, Values::socket).map(GuestAddress::of);
        Optional<GuestAddress> domain =
                section.value(DOMAIN, Values::domain)
                        .map(name -> new GuestAddress.Libvirt(libvirtUri, name));
        if (section.has(MONITOR) && section.has(DOMAIN)) {
            section.problem(DOMAIN, "expected this field or monitor, one of the two");
        } else if (!section.has(MONITOR) && !section.has(DOMAIN)) {
            section.problem(MONITOR, "is missing; give it, or domain for a domain of libvirt");
        }
        return monitor.or(() -> domain).orElse(WRONG);
    }

    private static Guest guest(
            String name, Section section, GuestAddress address, boolean scheduled) {
        boolean track = section.value("track", Values::yesOrNo).orElse(scheduled);
        Optional<Long> budget =
                section.value("cow-budget", Values.size(1 << 20, Long.MAX_VALUE / 2));
        Guest guest =
                new Guest(
                        name,
                        address,
                        track,
                        budget.map(OptionalLong::of).orElse(OptionalLong.empty()),
                        section.value("drain-timeout", Values::duration)
                                .orElse(CheckpointRequest.DEFAULT_DRAIN_TIMEOUT),
                        section.value("disk-io", Values::diskIo).orElse(DiskIo.AUTO),
                        section.value("guest-agent", Values::socket));
        section.end();
        return guest;
    }
}
