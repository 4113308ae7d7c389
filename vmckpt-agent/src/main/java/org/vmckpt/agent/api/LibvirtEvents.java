package org.vmckpt.agent.api;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.agent.guest.Guests;
import org.vmckpt.agent.guest.LibvirtOperation;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.VmckptException;

/** What libvirt's hook tells. */
final class LibvirtEvents {
    private static final Logger LOG = LoggerFactory.getLogger(LibvirtEvents.class);

    private LibvirtEvents() {}

    /** From the script in libvirt's hooks folder, which libvirt runs as root and waits for. */
    static Answer answer(Call call, Guests guests) throws VmckptException, BadRequestException {
        if (!call.peer().root()) {
            throw new RefusedException("tell of libvirt's domains: only root may");
        }
        String domain = call.query("domain").filter(it -> !it.isEmpty()).orElse("");
        if (domain.isEmpty()) {
            throw JobRequest.bad("domain", "the name of a domain");
        }
        LibvirtOperation operation =
                LibvirtOperation.of(call.query("operation").orElse(""))
                        .orElseThrow(() ->
                                JobRequest.bad("operation", "an operation of libvirt's hooks"));
        Optional<String> guest = guests.domainChanged(domain, operation);
        LOG.info(
                "libvirt: domain {}: {}{}",
                domain.replaceAll("\\p{Cntrl}", "?"),
                operation,
                guest.isEmpty() ? "; no guest of ours" : "");
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("guest", guest.orElse(null));
        return Answer.json(202, answer);
    }
}
