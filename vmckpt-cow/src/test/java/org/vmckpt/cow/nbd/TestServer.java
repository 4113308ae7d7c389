package org.vmckpt.cow.nbd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.RawDevice;
import org.vmckpt.cow.volume.GatedFile;
import org.vmckpt.cow.volume.Layer;
import org.vmckpt.cow.volume.Volume;

/** A server with one export, "disk". */
public final class TestServer implements AutoCloseable {
    public static final int GROUP_BYTES = 64 << 10;

    private final Path socket;
    private final Volume volume;
    private final Export export;
    private final NbdServer server;

    private TestServer(BlockDevice device, boolean readOnly) throws IOException, VmckptException {
        this.socket = Files.createTempDirectory("nbd").resolve("s");
        this.volume = new Volume("disk", List.of(new Layer(device, GROUP_BYTES)));
        this.export = new Export(volume, readOnly);
        this.server = NbdServer.start(socket, List.of(export));
    }

    public static TestServer over(GatedFile file) throws IOException, VmckptException {
        return new TestServer(RawDevice.over(file), false);
    }

    public static TestServer over(BlockDevice device) throws IOException, VmckptException {
        return new TestServer(device, false);
    }

    public static TestServer readOnly(GatedFile file) throws IOException, VmckptException {
        return new TestServer(RawDevice.over(file), true);
    }

    public Path socket() {
        return socket;
    }

    public Volume volume() {
        return volume;
    }

    public NbdServer server() {
        return server;
    }

    public int hold() {
        return server.hold(export);
    }

    public String uri() {
        return "nbd+unix:///disk?socket=" + socket;
    }

    @Override
    public void close() throws IOException {
        server.close();
        volume.close();
        Files.deleteIfExists(socket.getParent());
    }
}
