package org.vmckpt.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.vmckpt.agent.client.AgentClient;
import org.vmckpt.agent.client.AgentSocket;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import org.vmckpt.cow.checkpoint.GuestAddress;

/** One run of the command line: its streams, its global options, and what follows from them. */
final class Session {
    private final Streams streams;
    private final GlobalOptions options = new GlobalOptions();

    Session(Streams streams) {
        this.streams = streams;
    }

    Streams streams() {
        return streams;
    }

    GlobalOptions options() {
        return options;
    }

    /** The store that the user named, else that of the agent, else the usual one. */
    Path storeDirectory() throws VmckptException {
        Optional<AgentClient> agent = options.storeAsked() ? Optional.empty() : agent();
        if (agent.isEmpty()) {
            return options.storeDirectory();
        }
        try (AgentClient client = agent.get()) {
            return storeOf(client);
        }
    }

    private static Path storeOf(AgentClient agent) throws VmckptException {
        return Path.of(agent.get("/v1/health").path("store").asText());
    }

    Store openStore() throws VmckptException {
        return Store.open(storeDirectory());
    }

    Store openOrCreateStore() throws VmckptException {
        return Store.openOrCreate(storeDirectory());
    }

    /** Where a guest is, for work in this process. */
    GuestAddress address(GuestReference guest) throws NotFoundException {
        return guest.address(options.libvirtUri());
    }

    /** The agent that is to work on a guest: on a domain of libvirt only one that follows it. */
    Optional<AgentClient> agentFor(GuestReference guest) throws VmckptException {
        Optional<AgentClient> agent = agent();
        if (agent.isPresent() && guest.isDomain() && !follows(agent.get(), guest)) {
            agent.get().close();
            return Optional.empty();
        }
        return agent;
    }

    private boolean follows(AgentClient agent, GuestReference guest) throws VmckptException {
        for (JsonNode known : agent.get("/v1/guests").path("guests")) {
            JsonNode domain = known.path("domain");
            String uri = domain.path("uri").asText();
            if (guest.isDomain(domain.path("name").asText(), domain.path("uuid").asText())
                    && options.askedLibvirtUri().filter(it -> !it.equals(uri)).isEmpty()) {
                return true;
            }
        }
        return false;
    }

    /**
     * The agent that is to do the work; empty when this process does. One that the user named must
     * answer; any other is used if it answers and has the store that was asked for.
     */
    Optional<AgentClient> agent() throws VmckptException {
        Optional<Path> asked = options.askedAgent();
        if (asked.isPresent()) {
            if (!AgentSocket.answers(asked.get())) {
                throw new TransportException(
                        "reach the agent at "
                                + asked.get()
                                + ": nobody answers there; start vmckpt-agent, or give --agent"
                                + " none");
            }
            return Optional.of(AgentClient.connect(asked.get()));
        }
        Optional<Path> usual = options.usualAgent().filter(AgentSocket::answers);
        if (usual.isEmpty()) {
            return Optional.empty();
        }
        AgentClient client = AgentClient.connect(usual.get());
        if (options.storeAsked() && !hasOurStore(client)) {
            client.close();
            return Optional.empty();
        }
        return Optional.of(client);
    }

    private boolean hasOurStore(AgentClient client) {
        try {
            return Files.isSameFile(storeOf(client), options.storeDirectory());
        } catch (VmckptException | IOException e) {
            return false;
        }
    }

    ProgressDisplay progress() {
        if (!options.showProgress()) {
            return ProgressDisplay.none();
        }
        return streams.errIsTerminal()
                ? new BarDisplay(streams.err())
                : new LineDisplay(errorWriter());
    }

    /** Prints a command's result on standard output: as JSON when asked, else as text. */
    void printResult(Object json, Consumer<PrintWriter> text) throws VmckptException {
        print(streams.out(), json, text);
    }

    /** Prints the result on standard error, for a command whose data is on standard output. */
    void printResultBesideData(Object json, Consumer<PrintWriter> text) throws VmckptException {
        print(streams.err(), json, text);
    }

    private void print(OutputStream stream, Object json, Consumer<PrintWriter> text)
            throws VmckptException {
        PrintWriter out = writer(stream);
        if (options.json) {
            out.println(toJson(json));
        } else {
            text.accept(out);
        }
        if (out.checkError()) {
            throw new TransportException(
                    "print the result: standard output takes no more data; its reader has closed"
                            + " the pipe or its disk is full. The command itself has been done");
        }
    }

    static String toJson(Object value) {
        try {
            return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("result has no JSON form: " + value, e);
        }
    }

    PrintWriter errorWriter() {
        return writer(streams.err());
    }

    /** Warns on standard error, also under {@code --json}: the result stays one JSON object. */
    void warn(String message) {
        errorWriter().println("vmckpt: warning: " + message);
    }

    static PrintWriter writer(OutputStream stream) {
        return new PrintWriter(
                new OutputStreamWriter(unclosable(stream), StandardCharsets.UTF_8), true);
    }

    private static OutputStream unclosable(OutputStream stream) {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                stream.write(b);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                stream.write(bytes, offset, length);
            }

            @Override
            public void flush() throws IOException {
                stream.flush();
            }
        };
    }
}
