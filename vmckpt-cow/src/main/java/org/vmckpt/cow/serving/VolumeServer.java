package org.vmckpt.cow.serving;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vmckpt.core.ConflictException;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.nbd.Export;
import org.vmckpt.cow.nbd.NbdServer;
import org.vmckpt.cow.qcow2.ImageChain.FileOpener;
import org.vmckpt.cow.volume.OpenVolume;
import org.vmckpt.cow.volume.VolumeFolder;

/** Serves volumes over NBD, and answers on a control socket. */
public final class VolumeServer implements AutoCloseable {
    /** A volume that is served. */
    record Served(OpenVolume open, Export export) {
        String name() {
            return open.volume().name();
        }
    }

    private final List<Served> volumes;
    private final NbdServer nbd;
    private final ControlServer control;
    private final ControlLink link;
    private final Lifetime lifetime;

    private VolumeServer(
            List<Served> volumes,
            NbdServer nbd,
            ControlServer control,
            ControlLink link,
            Lifetime lifetime) {
        this.volumes = volumes;
        this.nbd = nbd;
        this.control = control;
        this.link = link;
        this.lifetime = lifetime;
    }

    /** Where a server listens for control commands unless told otherwise. */
    public static Path controlSocketOf(Path socket) {
        return socket.resolveSibling(socket.getFileName() + ".control");
    }

    /** Opens the volumes and serves them until it is closed. */
    public static VolumeServer start(
            List<VolumeFolder> folders, Path socket, Path controlSocket, boolean readOnly)
            throws VmckptException {
        return start(folders, socket, controlSocket, readOnly, FileOpener.PLAIN);
    }

    /**
     * The same over other files.
     *
     * @param opener opens the layers' files, for example slow ones
     */
    public static VolumeServer start(
            List<VolumeFolder> folders,
            Path socket,
            Path controlSocket,
            boolean readOnly,
            FileOpener opener)
            throws VmckptException {
        List<Served> volumes = new ArrayList<>();
        NbdServer nbd = null;
        boolean started = false;
        try {
            for (VolumeFolder folder : folders) {
                OpenVolume open =
                        OpenVolume.open(
                                folder, Optional.of(controlSocket.toAbsolutePath()), opener);
                volumes.add(new Served(open, new Export(open.volume(), readOnly)));
                Background.prepareNow(open);
            }
            requireDifferentNames(volumes);
            nbd = NbdServer.start(socket, volumes.stream().map(Served::export).toList());
            ControlLink link = ControlLink.make(socket, controlSocket);
            Lifetime lifetime = new Lifetime();
            ControlServer control =
                    ControlServer.start(controlSocket, new Commands(volumes, nbd, lifetime));
            started = true;
            return new VolumeServer(volumes, nbd, control, link, lifetime);
        } finally {
            if (!started) {
                if (nbd != null) {
                    nbd.close();
                }
                closeAll(volumes);
            }
        }
    }

    private static void requireDifferentNames(List<Served> volumes) throws ConflictException {
        if (volumes.stream().map(Served::name).distinct().count() < volumes.size()) {
            throw new ConflictException(
                    "serving volumes: two of them have one name; serve them on sockets of their"
                            + " own");
        }
    }

    /** It is {@linkplain #isOver over} with the end of this process, for example a QEMU. */
    public void endWith(long pid) throws VmckptException {
        lifetime.endWith(pid);
    }

    /** Whether the process that it ends with has ended, and nobody has a control connection. */
    public boolean isOver() {
        return lifetime.isOver() && !control.hasClients();
    }

    static Served find(List<Served> volumes, String name) throws NotFoundException {
        for (Served served : volumes) {
            if (served.name().equals(name)) {
                return served;
            }
        }
        throw new NotFoundException("no volume '" + name + "' is served here");
    }

    /** Ends all connections, and closes the volumes once their requests are done. */
    @Override
    public void close() throws VmckptException {
        link.close();
        control.close();
        nbd.close();
        VmckptException failure = closeAll(volumes).orElse(null);
        if (failure != null) {
            throw failure;
        }
    }

    private static Optional<VmckptException> closeAll(List<Served> volumes) {
        VmckptException failure = null;
        for (Served served : volumes) {
            try {
                served.open().close();
            } catch (VmckptException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        return Optional.ofNullable(failure);
    }
}
