package org.vmckpt.cli;

import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.vmckpt.core.Json;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.CheckpointListing;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Shows how the checkpoints of a guest hang together. */
@Command(
        name = "log",
        header = "Show a guest's checkpoints as a tree, with its forks.",
        description = {
            "%nEach checkpoint stands below the one that the guest went on from, oldest first. A"
                + " guest that was restored from a checkpoint while others went on from it too is a"
                + " fork, drawn as a branch.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {"  vmckpt log vm1", "  vmckpt log qmp:/run/vm1/qmp.sock --json"})
final class LogCommand implements Callable<Integer> {
    private static final String QMP = "qmp:";
    private static final String LIBVIRT = "libvirt:";
    private static final Pattern UUID_END = Pattern.compile("-[0-9a-f]{12}$");

    private final Session session;

    @Parameters(
            paramLabel = "GUEST",
            description = "The guest's name or UUID, or qmp: and the path of its monitor.")
    private String guest = "";

    LogCommand(Session session) {
        this.session = session;
    }

    /** A domain's UUID is recorded like a socket, its name as the guest's. */
    private String asRecorded() {
        if (guest.startsWith(QMP)) {
            return guest.substring(QMP.length());
        }
        boolean byName = guest.startsWith(LIBVIRT) && !UUID_END.matcher(guest).find();
        return byName ? guest.substring(LIBVIRT.length()) : guest;
    }

    @Override
    public Integer call() throws VmckptException {
        CheckpointListing all = Listings.read(session);
        CheckpointListing own = all.ofGuest(asRecorded());
        if (own.checkpoints().isEmpty()) {
            throw new NotFoundException(
                    "find guest "
                            + guest
                            + ": no checkpoint in "
                            + session.storeDirectory()
                            + " is of it; 'vmckpt status' shows all guests");
        }
        CheckpointListing family = all.withRelatives(own);
        CheckpointTree tree = new CheckpointTree(family.checkpoints());
        session.printResult(Json.MAPPER.valueToTree(family), tree::print);
        return ExitCode.OK.number();
    }
}
