package org.vmckpt.cow.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.EngineChoice;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.EngineVerdict;
import org.vmckpt.cow.checkpoint.EngineVerdict.Obstacle;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.GuestSession;

/** Examines a host, and a guest on it. */
public final class Doctor {
    private Doctor() {}

    /** The host alone. */
    public static Diagnosis examineHost(Path store) {
        List<Finding> host = new ArrayList<>();
        hostChecks().forEach(check -> host.add(check.run()));
        host.add(new StoreCheck(store, 0).run());
        return new Diagnosis(host, List.of());
    }

    /**
     * The host and a running guest, which is left as it is.
     *
     * @param attach whether to attach to QEMU for real, for which it stands still for less than a
     *     millisecond
     * @throws NotFoundException when there is no such guest
     */
    public static Diagnosis examine(GuestAddress guest, Path store, boolean attach)
            throws VmckptException {
        Diagnosis host = examineHost(store);
        try (GuestSession session = GuestSession.open(guest)) {
            return new Diagnosis(withStore(host, store, session), examineGuest(session, attach));
        } catch (ConflictException | UnsupportedException e) {
            return new Diagnosis(
                    host.host(),
                    List.of(
                            Finding.obstacle(
                                    "monitor", String.valueOf(e.getMessage()), otherWay(guest))));
        }
    }

    private static String otherWay(GuestAddress guest) {
        return switch (guest) {
            case GuestAddress.Qmp _ ->
                    "start the guest with one more -qmp unix:PATH,server=on,wait=off, or end the"
                            + " other client";
            case GuestAddress.Libvirt _ ->
                    "end what works on the domain (vmckpt watch, the agent's tracking, a job of"
                            + " libvirt), and run vmckpt as root on the domain's own host";
        };
    }

    private static List<Finding> examineGuest(GuestSession session, boolean attach)
            throws TransportException {
        List<Finding> findings = new ArrayList<>();
        findings.add(
                Finding.ok("monitor", "QEMU (pid " + session.pid() + ") answers, nobody holds it"));
        for (Check check : guestChecks(session)) {
            findings.add(run(check));
        }
        findings.add(
                attach
                        ? run(new AttachCheck(session))
                        : Finding.unknown("attach", "not tried: --no-attach"));
        if (attach) {
            addVerdicts(session, findings);
        }
        return findings;
    }

    /** What the choice of an engine knows beyond the checks: both must judge alike. */
    private static void addVerdicts(GuestSession session, List<Finding> findings)
            throws TransportException {
        try {
            for (EngineVerdict verdict : EngineChoice.assess(session.pid(), session.qmp())) {
                EngineName engine = verdict.engine();
                if (!verdict.usable() && EngineDiagnosis.of(engine, findings).usable()) {
                    findings.add(
                            Finding.problem(
                                    "engine " + engine.text(),
                                    verdict.obstacles().stream()
                                            .map(Obstacle::message)
                                            .collect(Collectors.joining("; ")),
                                    Set.of(engine)));
                }
            }
        } catch (TransportException e) {
            throw e;
        } catch (VmckptException e) {
            findings.add(Finding.unknown("engines", String.valueOf(e.getMessage())));
        }
    }

    private static List<HostCheck> hostChecks() {
        return List.of(
                new KernelCheck(),
                new PermissionCheck(),
                new TracingCheck(),
                new UserfaultfdSettingCheck());
    }

    private static List<Check> guestChecks(GuestSession session) {
        QmpClient qmp = session.qmp();
        return List.of(
                new QemuVersionCheck(qmp.version()),
                new StatusCheck(qmp),
                new MemoryCheck(session),
                new OtherWritersCheck(session),
                new QemuPrivilegeCheck(session.pid()),
                new DevicesCheck(qmp),
                new BalloonCheck(qmp),
                new DiskCheck(session),
                new MigrationCheck(session.pid(), qmp, EngineName.UFFD, "x-ignore-shared"),
                new MigrationCheck(
                        session.pid(), qmp, EngineName.BACKGROUND, "background-snapshot"));
    }

    /** A guest that goes away ends all of it; anything else is what this check could not tell. */
    private static Finding run(Check check) throws TransportException {
        try {
            return check.run();
        } catch (TransportException e) {
            throw e;
        } catch (VmckptException e) {
            return Finding.unknown(check.what(), String.valueOf(e.getMessage()));
        }
    }

    /** The store is judged again, by the guest's size. */
    private static List<Finding> withStore(Diagnosis host, Path store, GuestSession session)
            throws VmckptException {
        long guestBytes = 0;
        for (JsonNode backend : session.qmp().execute("query-memdev")) {
            guestBytes += backend.path("size").asLong();
        }
        List<Finding> findings = new ArrayList<>(host.host());
        findings.set(findings.size() - 1, new StoreCheck(store, guestBytes).run());
        return findings;
    }
}
