package org.vmckpt.cow.serving;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.vmckpt.core.Json;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.ThreadPriority;
import org.vmckpt.cow.nbd.NbdServer;
import org.vmckpt.cow.serving.VolumeServer.Served;
import org.vmckpt.cow.volume.LayerStates;
import org.vmckpt.cow.volume.OpenVolume;
import org.vmckpt.cow.volume.Throttle;
import org.vmckpt.cow.volume.Volume;

/** What the control socket's commands do. */
final class Commands {
    private static final long SETTLE_MILLIS = 60_000;

    /** A guest may stand still until they are answered. */
    private static final Set<String> URGENT = Set.of("fork", "reissue-begin", "reissue-end");

    private static final int URGENT_NICENESS = -15;
    private static final int USUAL_NICENESS = 0;

    private final List<Served> volumes;
    private final NbdServer nbd;
    private final Lifetime lifetime;
    private final Reissues reissues = new Reissues();

    Commands(List<Served> volumes, NbdServer nbd, Lifetime lifetime) {
        this.volumes = volumes;
        this.nbd = nbd;
        this.lifetime = lifetime;
    }

    /**
     * For the thread of a connection: it has to get a processor to see that an urgent command came,
     * and those that serve guests are busy.
     */
    static void waitUrgently() {
        ThreadPriority.trySetNicenessOfThisThread(URGENT_NICENESS);
    }

    /** For what may take long, and for threads that such a thread starts. */
    static void workAsUsual() {
        ThreadPriority.trySetNicenessOfThisThread(USUAL_NICENESS);
    }

    /**
     * Does one command.
     *
     * @param session of the connection that it came over: what it holds ends with that
     */
    ObjectNode execute(JsonNode command, Reissues.Session session) throws VmckptException {
        String name = command.path("command").asText();
        if (URGENT.contains(name)) {
            return execute(name, command, session);
        }
        workAsUsual();
        try {
            return execute(name, command, session);
        } finally {
            waitUrgently();
        }
    }

    private ObjectNode execute(String name, JsonNode command, Reissues.Session session)
            throws VmckptException {
        List<Served> chosen = chosen(command);
        ObjectNode answer = Json.MAPPER.createObjectNode();
        switch (name) {
            case "status" -> status(chosen, answer);
            case "prepare" -> prepare(chosen, owner(command));
            case "fork" -> fork(chosen, owner(command), answer);
            case "reissue-begin" -> answer.put("answered", begin(chosen, command, session));
            case "reissue-end" -> session.end();
            case "settle" -> settle(chosen, command);
            case "unhold" -> answer.put("removed", unhold(chosen, command));
            case "commit" -> commit(chosen, command, answer);
            case "end-with" -> lifetime.endWith(command.path("pid").asLong());
            default -> throw new ProtocolException("there is no command '" + name + "'");
        }
        return answer.put("ok", true);
    }

    Reissues reissues() {
        return reissues;
    }

    /** The volumes that a command names; all of them if it names none. */
    private List<Served> chosen(JsonNode command) throws VmckptException {
        if (!command.has("volumes")) {
            return volumes;
        }
        List<Served> chosen = new ArrayList<>();
        for (JsonNode name : command.get("volumes")) {
            chosen.add(VolumeServer.find(volumes, name.asText()));
        }
        return chosen;
    }

    private static Optional<String> owner(JsonNode command) {
        return command.hasNonNull("owner")
                ? Optional.of(command.get("owner").asText())
                : Optional.empty();
    }

    private void status(List<Served> chosen, ObjectNode answer) throws VmckptException {
        answer.put("pid", ProcessHandle.current().pid());
        answer.put("connections", nbd.connectionCount());
        ArrayNode list = answer.putArray("volumes");
        for (Served served : chosen) {
            Volume volume = served.open().volume();
            ObjectNode one = list.addObject().put("name", volume.name());
            one.put("folder", served.open().folder().path().toString());
            one.put("sizeBytes", volume.size());
            one.put("pending", volume.ledger().pending());
            one.put("waiting", volume.ledger().waitingCount());
            one.put("reissue", volume.ledger().isHeld());
            putLayers(served.open().layers(), one);
            one.set("holds", Json.MAPPER.valueToTree(served.open().holds()));
        }
    }

    private static void putLayers(LayerStates states, ObjectNode volume) {
        volume.put("session", states.session());
        volume.put("foreignBase", states.foreignBase());
        ArrayNode layers = volume.putArray("layers");
        ArrayNode formats = volume.putArray("formats");
        ArrayNode contents = volume.putArray("contents");
        for (LayerStates.LayerState layer : states.layers()) {
            layers.add(layer.file().toString());
            formats.add(layer.format());
            contents.add(layer.content());
        }
    }

    private static void prepare(List<Served> chosen, Optional<String> owner)
            throws VmckptException {
        for (Served served : chosen) {
            if (owner.isPresent()) {
                served.open().prepare(owner.get());
            } else {
                served.open().prepare();
            }
        }
    }

    /**
     * Forks all, then makes the layers for the next forks: the answer need not wait for those. An
     * owner's guest may stand still just now: there it is done once the owner lets go, and the hold
     * stands for the record.
     */
    private static void fork(List<Served> chosen, Optional<String> owner, ObjectNode answer)
            throws VmckptException {
        ArrayNode list = answer.putArray("forks");
        for (Served served : chosen) {
            OpenVolume.ForkResult result = served.open().fork(owner);
            list.addObject()
                    .put("volume", served.name())
                    .put("frozen", result.frozen().toString())
                    .put("active", result.active().toString())
                    .put("micros", result.nanos() / 1000);
        }
        if (owner.isEmpty()) {
            for (Served served : chosen) {
                served.open().record();
            }
            prepareNext(chosen);
        }
    }

    private static void prepareNext(List<Served> chosen) {
        chosen.forEach(served -> Background.prepare(served.open()));
    }

    private int begin(List<Served> chosen, JsonNode command, Reissues.Session session)
            throws RefusedException {
        int answered = 0;
        for (Served served : chosen) {
            session.begin(served.open().volume(), command.path("limitMillis").asLong());
            answered += nbd.hold(served.export());
        }
        return answered;
    }

    private static void settle(List<Served> chosen, JsonNode command) throws VmckptException {
        long millis = command.path("limitMillis").asLong(SETTLE_MILLIS);
        for (Served served : chosen) {
            if (!served.open().settle(millis)) {
                throw new StorageException(
                        "settling volume "
                                + served.name()
                                + ": requests from before the fork did not end within "
                                + millis
                                + " ms; its frozen layers cannot be copied yet");
            }
        }
    }

    private static int unhold(List<Served> chosen, JsonNode command) throws VmckptException {
        String owner =
                owner(command).orElseThrow(() -> new ProtocolException("unhold needs an owner"));
        int removed = 0;
        for (Served served : chosen) {
            try {
                removed += served.open().folder().removeHolds(owner);
            } catch (IOException e) {
                throw new StorageException("removing holds of " + served.name() + ": " + e, e);
            }
        }
        prepareNext(chosen);
        return removed;
    }

    private static void commit(List<Served> chosen, JsonNode command, ObjectNode answer)
            throws VmckptException {
        long rate = command.path("bytesPerSecond").asLong(Long.MAX_VALUE);
        if (rate <= 0) {
            throw new ProtocolException("commit: a rate of " + rate + " bytes a second");
        }
        if (command.path("background").asBoolean()) {
            chosen.forEach(served -> Background.commit(served.open(), rate));
            return;
        }
        int folded = 0;
        long copied = 0;
        for (Served served : chosen) {
            Throttle throttle = new Throttle(rate);
            folded += served.open().commit(throttle);
            copied += throttle.passedBytes();
        }
        answer.put("folded", folded).put("copiedBytes", copied);
    }
}
