package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.CONFIGURATION;
import static org.vmckpt.core.stream.StreamFormat.FILE_MAGIC;
import static org.vmckpt.core.stream.StreamFormat.FILE_VERSION;
import static org.vmckpt.core.stream.StreamFormat.IGNORE_SHARED;
import static org.vmckpt.core.stream.StreamFormat.SUBSECTION;
import static org.vmckpt.core.stream.StreamFormat.UUID_BYTES;

import org.vmckpt.core.VmckptException;

/**
 * What every stream begins with.
 *
 * @param ignoresShared whether shared RAM blocks are left out; then each block tells its address
 */
record StreamHeader(String machine, boolean ignoresShared) {
    private static final int MAX_MACHINE_BYTES = 255;

    static StreamHeader read(StreamInput in) throws VmckptException {
        if (in.readInt() != FILE_MAGIC) {
            throw in.corrupt("it does not start with QEVM");
        }
        int version = in.readInt();
        if (version != FILE_VERSION) {
            throw in.corrupt("version " + version + " is unknown, expected " + FILE_VERSION);
        }
        in.expect(CONFIGURATION, "the configuration section");
        int machineBytes = in.readInt();
        if (machineBytes < 0 || machineBytes > MAX_MACHINE_BYTES) {
            throw in.corrupt("a machine type of " + machineBytes + " bytes");
        }
        String machine = in.readString(machineBytes);
        boolean ignoresShared = false;
        while (in.peek() == SUBSECTION) {
            in.readByte();
            ignoresShared |= readSubsection(in, in.readShortString());
        }
        return new StreamHeader(machine, ignoresShared);
    }

    /** Whether it says that shared memory is left out. */
    private static boolean readSubsection(StreamInput in, String name) throws VmckptException {
        in.readInt(); // the subsection's version
        switch (name) {
            case "configuration/target-page-bits" -> in.readInt();
            case "configuration/uuid" -> in.take(UUID_BYTES);
            case "configuration/capabilities" -> {
                return readCapabilities(in);
            }
            default -> throw in.corrupt("unknown configuration \"" + name + "\"");
        }
        return false;
    }

    private static boolean readCapabilities(StreamInput in) throws VmckptException {
        boolean ignoresShared = false;
        int count = in.readInt();
        for (int i = 0; i < count; i++) {
            ignoresShared |= in.readShortString().equals(IGNORE_SHARED);
        }
        return ignoresShared;
    }
}
