package org.vmckpt.agent.config;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.vmckpt.agent.schedule.Timing;
import org.vmckpt.core.store.Retention;
import org.vmckpt.cow.checkpoint.CheckpointRequest;
import org.vmckpt.cow.checkpoint.DiskIo;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.hook.HookSettings;

/** What {@code docs/agent.md} describes, checked. */
public record AgentConfig(
        Path store,
        Api api,
        Limits limits,
        Map<String, Guest> guests,
        Map<String, Schedule> schedules,
        Map<String, Volume> volumes,
        HookSettings hooks) {
    /** Of guests, schedules and volumes: also safe in a path, a header and a label. */
    public static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    public AgentConfig {
        guests = Collections.unmodifiableMap(new TreeMap<>(guests));
        schedules = Collections.unmodifiableMap(new TreeMap<>(schedules));
        volumes = Collections.unmodifiableMap(new TreeMap<>(volumes));
    }

    /**
     * Where the API is served.
     *
     * @param group whose members may use it, besides root
     */
    public record Api(Path socket, Optional<String> group, Optional<Tcp> tcp) {}

    /**
     * With TLS and client certificates.
     *
     * @param clients authorities whose clients are let in
     */
    public record Tcp(String host, int port, Path certificate, Path key, Path clients) {}

    /** Whatever clients ask for, the agent stays within these. */
    public record Limits(
            int jobs, int waiting, int requestBytes, int headerBytes, int connections) {}

    /**
     * A guest that is known by a name.
     *
     * @param track whether its memory stays tracked between checkpoints
     * @param agentSocket QEMU's socket of the guest's own agent; empty to ask QEMU for it
     */
    public record Guest(
            String name,
            GuestAddress address,
            boolean track,
            OptionalLong cowBudgetBytes,
            Duration drainTimeout,
            DiskIo diskIo,
            Optional<Path> agentSocket) {

        /** One that is not in the configuration, known by its monitor. */
        public static Guest unnamed(GuestAddress.Qmp monitor) {
            return new Guest(
                    monitor.toString(),
                    monitor,
                    false,
                    OptionalLong.empty(),
                    CheckpointRequest.DEFAULT_DRAIN_TIMEOUT,
                    DiskIo.AUTO,
                    Optional.empty());
        }
    }

    /** A volume that is served. */
    public record Volume(String name, Path folder, Path socket) {}

    /**
     * Checkpoints that are taken by themselves.
     *
     * @param quiesce has the guest freeze its file systems meanwhile
     * @param keep empty keeps all
     */
    public record Schedule(
            String name, String guest, Timing timing, boolean quiesce, Optional<Retention> keep) {}
}
