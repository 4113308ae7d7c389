package org.vmckpt.cow.volume;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.vmckpt.cow.block.BlockDevice;
import org.vmckpt.cow.block.BlockStatus;
import org.vmckpt.cow.block.ExtentVisitor;

/**
 * A copy-on-write layer in memory that is as simple as can be: the first write to a group copies
 * the group from below, first reading it and then putting it, with nothing that excludes a write to
 * the layer below in between. Just what rule R5 is for.
 */
public final class OverlayDevice implements BlockDevice {
    private final BlockDevice below;
    private final int groupBytes;
    private final Map<Long, byte[]> groups = new HashMap<>();

    public OverlayDevice(BlockDevice below, int groupBytes) {
        this.below = below;
        this.groupBytes = groupBytes;
    }

    @Override
    public long size() {
        return below.size();
    }

    @Override
    public void read(ByteBuffer into, long offset) throws IOException {
        for (long at = offset; into.hasRemaining(); ) {
            int within = (int) (at % groupBytes);
            int count = Math.min(into.remaining(), groupBytes - within);
            byte[] group;
            synchronized (groups) {
                group = groups.get(at / groupBytes);
            }
            if (group == null) {
                ByteBuffer part = ByteBuffer.allocate(count);
                below.read(part, at);
                into.put(part.flip());
            } else {
                into.put(group, within, count);
            }
            at += count;
        }
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        for (long at = offset; from.hasRemaining(); ) {
            int within = (int) (at % groupBytes);
            int count = Math.min(from.remaining(), groupBytes - within);
            from.get(groupOf(at), within, count);
            at += count;
        }
    }

    private byte[] groupOf(long at) throws IOException {
        long number = at / groupBytes;
        synchronized (groups) {
            byte[] there = groups.get(number);
            if (there != null) {
                return there;
            }
        }
        ByteBuffer copy = ByteBuffer.allocate(groupBytes);
        below.read(copy, number * groupBytes);
        synchronized (groups) {
            return groups.computeIfAbsent(number, absent -> copy.array());
        }
    }

    @Override
    public void writeZeroes(long offset, long length, boolean mayUnmap) throws IOException {
        write(ByteBuffer.allocate((int) length), offset);
    }

    @Override
    public void discard(long offset, long length) {}

    @Override
    public void flush() {}

    @Override
    public void blockStatus(long offset, long length, ExtentVisitor visitor) throws IOException {
        visitor.extent(offset, length, BlockStatus.DATA);
    }

    @Override
    public void close() throws IOException {
        below.close();
    }
}
