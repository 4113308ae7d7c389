package org.vmckpt.agent.guest;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.Quiesce;
import org.vmckpt.cow.hook.Hooks;

/**
 * How somebody wants a checkpoint. What is empty is as the guest's configuration says.
 *
 * @param engine empty for the best one
 * @param quiesce empty to leave the guest's file systems alone
 */
@JsonInclude(JsonInclude.Include.NON_ABSENT)
public record CheckpointOrder(
        Optional<String> name,
        Optional<EngineName> engine,
        boolean full,
        OptionalLong cowBudgetBytes,
        Optional<Duration> drainTimeout,
        Optional<DiskIo> diskIo,
        Optional<Quiesce> quiesce) {

    /** What a schedule orders. */
    public static CheckpointOrder of(AgentConfig.Schedule schedule) {
        return new CheckpointOrder(
                Optional.empty(),
                Optional.empty(),
                false,
                OptionalLong.empty(),
                Optional.empty(),
                Optional.empty(),
                schedule.quiesce() ? Optional.of(new Quiesce(Optional.empty())) : Optional.empty());
    }

    /** Whether a series of tracked memory can take it. */
    boolean fitsTracking() {
        return !full && engine.filter(it -> it != EngineName.UFFD).isEmpty();
    }

    CheckpointRequest request(AgentConfig.Guest guest, Store store) {
        Optional<Quiesce> wish =
                quiesce.map(
                        it -> it.agentSocket().isPresent() ? it : new Quiesce(guest.agentSocket()));
        return new CheckpointRequest(
                guest.address(),
                store,
                name,
                cowBudgetBytes.isPresent() ? cowBudgetBytes : guest.cowBudgetBytes(),
                drainTimeout.orElse(guest.drainTimeout()),
                engine,
                full,
                diskIo.orElse(guest.diskIo()),
                wish,
                Hooks.NONE);
    }
}
