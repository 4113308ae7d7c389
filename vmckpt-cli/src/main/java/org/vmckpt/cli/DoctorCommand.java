package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.doctor.Diagnosis;
import org.vmckpt.cow.doctor.Doctor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what a host and a guest allow, and how to mend what they do not. */
@Command(
        name = "doctor",
        header = "Check whether this host, and a guest, can be checkpointed.",
        description = {
            "%nLooks at the kernel, permissions and the store; with a GUEST also at its QEMU,"
                    + " memory, devices and disks. Prints what was found, the command or option"
                    + " that mends it, and which engines can be used:%n",
            "  uffd        copies memory while the guest runs; needs shared memory",
            "  background  QEMU's background snapshot; also private memory",
            "  pause       the guest stands still while its memory is read%n",
            "The guest is left as it is. To be sure, vmckpt attaches to QEMU for real, which"
                    + " stops it for less than a millisecond and protects nothing.%n",
            "Ends with 0 when at least one engine can be used (without a GUEST: when the host"
                    + " has what uffd needs), else with 7, and with 3 when there is no such"
                    + " guest.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  # is this host fit?",
            "  vmckpt doctor",
            "  # is this guest?",
            "  vmckpt doctor qmp:/run/vm1/qmp.sock",
            "  # for a script: the engines that can be used",
            "  vmckpt doctor qmp:/run/vm1/qmp.sock --json \\",
            "      | jq -r '.engines[] | select(.usable) | .engine'"
        })
final class DoctorCommand implements Callable<Integer> {
    private final Session session;

    @Parameters(
            paramLabel = "GUEST",
            arity = "0..1",
            converter = GuestReference.Converter.class,
            description = GuestReference.DESCRIPTION + " Default: check the host alone.")
    private @Nullable GuestReference guest;

    @Option(
            names = "--no-attach",
            description = "Do not attach to QEMU; judge by what can be read about it.")
    private boolean noAttach;

    DoctorCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        Diagnosis diagnosis = diagnose();
        session.printResult(DoctorText.json(diagnosis), out -> DoctorText.print(diagnosis, out));
        return (diagnosis.healthy() ? ExitCode.OK : ExitCode.UNSUPPORTED).number();
    }

    private Diagnosis diagnose() throws VmckptException {
        Path store = session.storeDirectory();
        return guest == null
                ? Doctor.examineHost(store)
                : Doctor.examine(session.address(guest), store, !noAttach);
    }
}
