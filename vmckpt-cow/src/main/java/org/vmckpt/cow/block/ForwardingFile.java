package org.vmckpt.cow.block;

import java.io.IOException;
import java.nio.ByteBuffer;

/** A layer in front of another file that changes nothing; its subclasses do. */
public class ForwardingFile implements StorageFile {
    private final StorageFile file;

    public ForwardingFile(StorageFile file) {
        this.file = file;
    }

    @Override
    public int read(ByteBuffer into, long offset) throws IOException {
        return file.read(into, offset);
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        file.write(from, offset);
    }

    @Override
    public void zero(long offset, long length) throws IOException {
        file.zero(offset, length);
    }

    @Override
    public void sync() throws IOException {
        file.sync();
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public void resize(long bytes) throws IOException {
        file.resize(bytes);
    }

    @Override
    public long nextData(long offset) throws IOException {
        return file.nextData(offset);
    }

    @Override
    public long nextHole(long offset) throws IOException {
        return file.nextHole(offset);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
