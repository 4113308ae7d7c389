package org.vmckpt.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** How guest memory is captured, as a user asks for it. */
enum Engine {
    AUTO,
    UFFD;

    /** Reads it from the command line. */
    static final class Converter implements ITypeConverter<Engine> {
        @Override
        public Engine convert(String text) {
            return switch (text) {
                case "auto" -> AUTO;
                case "uffd" -> UFFD;
                default ->
                        throw new TypeConversionException(
                                "'" + text + "' is not an engine; expected uffd or auto");
            };
        }
    }
}
