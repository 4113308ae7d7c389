package org.vmckpt.testvm.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.testvm.GuestConsole;
import org.vmckpt.testvm.TestDomain;
import org.vmckpt.testvm.TestLibvirtd;

/**
 * What a checkpoint costs a domain of libvirt, beside libvirt's own ways to save one. One domain of
 * each size takes all loads, one after another; under each, in every round, each contender saves it
 * once, in turn. After each turn the domain writes the files again that it was started with.
 */
final class LibvirtSuite {
    private static final String DOMAIN = "bench";
    private static final int VCPUS = 2;

    private static final List<String> NOTES =
            List.of(
                    "pause: from QEMU's STOP event to its RESUME event, heard through libvirtd for"
                            + " all alike. A live snapshot stops the guest at its end only, for the"
                            + " last of its memory and to fork the disks; save and restore stand"
                            + " for the whole time, and end in another QEMU.",
                    "stalls: what one touch of a random page took, by the guest's own clock, which"
                            + " stands still in a pause: it comes on top. The worst quarter of a"
                            + " second from the beginning of the command to its end.",
                    "guest's longest disk request: by the same clock; only when disks are written.",
                    "guest writes lost: pages that the guest would have written from the beginning"
                            + " of the command to its end (rate of undisturbed before and after"
                            + " the round); below 0 is noise.",
                    "time of all: of the command; vmckpt's data is synced then, libvirt's is not.",
                    "bytes saved: vmckpt's compressed, with the disks; libvirt's memory and devices"
                            + " only. A live snapshot that took longer than a minute was given up,"
                            + " and is in no row.",
                    "Not measured: folding what a turn put on the disks, which all but save need,"
                            + " and a second for the QEMU of a restored domain to warm up.");

    private final List<Long> memorySizes;
    private final List<CowLoad> loads;
    private final int rounds;
    private final PrintStream log;
    private final List<CowResults.Cell> cells = new ArrayList<>();

    LibvirtSuite(List<Long> memorySizes, List<CowLoad> loads, int rounds, PrintStream log) {
        this.memorySizes = List.copyOf(memorySizes);
        this.loads = List.copyOf(loads);
        this.rounds = rounds;
        this.log = log;
    }

    CowResults run() throws VmckptException, IOException, InterruptedException {
        for (long memoryBytes : memorySizes) {
            try (TestLibvirtd host = TestLibvirtd.start();
                    BenchFolder folder = BenchFolder.create()) {
                measure(host, memoryBytes, folder.path());
            }
        }
        return new CowResults(cells, NOTES);
    }

    private void measure(TestLibvirtd host, long memoryBytes, Path folder)
            throws VmckptException, IOException, InterruptedException {
        TestDomain domain =
                TestDomain.define(
                        host, DOMAIN, memoryBytes, true, VCPUS, CowLoad.workload(memoryBytes));
        host.virsh("start", DOMAIN);
        domain.awaitBoot();
        GuestConsole console = domain.console();
        GuestKind.awaitWarm(console);
        GuestAddress address = new GuestAddress.Libvirt(host.uri(), DOMAIN);
        try (Contender vmckpt = new VmckptOnDomain(address, folder)) {
            // What comes after a live snapshot finds all memory allocated.
            List<Contender> contenders =
                    List.of(
                            outside(new LiveSnapshot(host, domain, folder), host, folder),
                            outside(vmckpt, host, folder),
                            new Undisturbed(),
                            outside(new SaveAndRestore(host, domain, folder), host, folder));
            for (CowLoad load : loads) {
                LoadRounds turns = new LoadRounds(console, load, contenders, log);
                turns.run(GuestKind.size(memoryBytes) + ", " + load.label(), rounds);
                cells.add(new CowResults.Cell(memoryBytes, load.label(), turns.samples()));
            }
        }
        CowLoad.IDLE.apply(console);
        GuestKind.requireSound(console, GuestKind.size(memoryBytes));
    }

    private static Contender outside(Contender contender, TestLibvirtd host, Path folder) {
        return new SeenFromOutside(contender, host, DOMAIN, folder);
    }
}
