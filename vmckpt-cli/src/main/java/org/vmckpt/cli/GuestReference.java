package org.vmckpt.cli;

import java.nio.file.Path;
import java.util.regex.Pattern;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.cow.checkpoint.GuestAddress;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How a user names a running guest: by its QMP socket, as a domain of libvirt, or by the name that
 * the agent's configuration gives it.
 *
 * @param text as the agent takes it: {@code qmp:} and an absolute path, {@code libvirt:} and a name
 *     or UUID, or a name
 */
record GuestReference(String text) {
    static final String DESCRIPTION =
            "A running guest: qmp: and the path of a QMP socket that QEMU opened with -qmp"
                    + " unix:PATH,server=on,wait=off and that nobody else is connected to; or"
                    + " libvirt: and the name or UUID of a domain (see --connect); or the guest's"
                    + " name in the configuration of vmckpt-agent.";
    private static final String QMP = "qmp:";
    private static final String LIBVIRT = "libvirt:";
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    static final GuestReference NONE = new GuestReference(QMP + "/");

    /** Whether it is one of libvirt. */
    boolean isDomain() {
        return text.startsWith(LIBVIRT);
    }

    /** Whether it is the one of libvirt with this name and UUID. */
    boolean isDomain(String name, String uuid) {
        return text.equals(LIBVIRT + name) || text.equalsIgnoreCase(LIBVIRT + uuid);
    }

    /**
     * Where it is, for work in this process.
     *
     * @param libvirtUri where domains are looked for
     */
    GuestAddress address(String libvirtUri) throws NotFoundException {
        if (text.startsWith(LIBVIRT)) {
            return new GuestAddress.Libvirt(libvirtUri, text.substring(LIBVIRT.length()));
        }
        if (!text.startsWith(QMP)) {
            throw new NotFoundException(
                    "find guest "
                            + text
                            + ": that is a name for vmckpt-agent, and no agent is used here; start"
                            + " the agent (systemctl start vmckpt-agent), or give"
                            + " qmp:/path/to/socket or libvirt:NAME");
        }
        return GuestAddress.of(Path.of(text.substring(QMP.length())));
    }

    /** Reads it from the command line. */
    static final class Converter implements ITypeConverter<GuestReference> {
        @Override
        public GuestReference convert(String text) {
            if (text.startsWith(QMP) && text.length() > QMP.length()) {
                Path path = Path.of(text.substring(QMP.length())).toAbsolutePath();
                return new GuestReference(QMP + path);
            }
            if (text.startsWith(LIBVIRT) && text.length() > LIBVIRT.length()) {
                return new GuestReference(text);
            }
            if (NAME.matcher(text).matches()) {
                return new GuestReference(text);
            }
            throw new TypeConversionException(
                    "'"
                            + text
                            + "' is not a guest; expected qmp:/path/to/socket, libvirt:NAME,"
                            + " libvirt:UUID, or a guest's name in the agent's configuration");
        }
    }
}
