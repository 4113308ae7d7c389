package org.vmckpt.agent.guest;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.cow.checkpoint.GuestAddress;

/** What is shown of guests. */
record GuestViews(Domains domains, Collection<AgentConfig.Schedule> schedules) {

    List<GuestView> of(List<GuestWorker> workers) {
        Set<String> listening = Monitors.listening();
        return workers.stream().map(worker -> view(worker, listening)).toList();
    }

    private GuestView view(GuestWorker worker, Set<String> listening) {
        String name = worker.guest().name();
        List<String> own =
                schedules.stream()
                        .filter(schedule -> schedule.guest().equals(name))
                        .map(AgentConfig.Schedule::name)
                        .toList();
        return switch (worker.guest().address()) {
            case GuestAddress.Qmp(var socket) -> {
                String path = socket.toString();
                GuestState state = listening.contains(path) ? GuestState.RUNNING : GuestState.OFF;
                yield worker.view(state, path, Optional.empty(), own);
            }
            case GuestAddress.Libvirt address -> {
                GuestView.Domain domain = GuestView.Domain.of(address, domains.find(name));
                GuestState state = domains.state(name).orElse(GuestState.UNKNOWN);
                yield worker.view(state, domain.monitor(), Optional.of(domain), own);
            }
        };
    }
}
