package org.vmckpt.cli;

import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How a user names a running guest: by its QMP socket.
 *
 * @param qmpSocket absolute
 */
record GuestReference(Path qmpSocket) {
    static final String DESCRIPTION =
            "A running guest: qmp: and the path of a QMP socket that QEMU opened with -qmp"
                    + " unix:PATH,server=on,wait=off and that nobody else is connected to.";
    private static final String QMP = "qmp:";

    /** Reads it from the command line. */
    static final class Converter implements ITypeConverter<GuestReference> {
        @Override
        public GuestReference convert(String text) {
            if (!text.startsWith(QMP) || text.length() == QMP.length()) {
                throw new TypeConversionException(
                        "'" + text + "' is not a guest; expected qmp:/path/to/socket");
            }
            return new GuestReference(Path.of(text.substring(QMP.length())).toAbsolutePath());
        }
    }
}
