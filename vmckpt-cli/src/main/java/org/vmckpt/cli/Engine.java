package org.vmckpt.cli;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;
import org.vmckpt.cow.checkpoint.EngineName;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How guest memory is captured, as a user asks for it.
 *
 * @param name empty for {@code auto}
 */
record Engine(Optional<EngineName> name) {
    static final Engine AUTO = new Engine(Optional.empty());

    /** Reads it from the command line. */
    static final class Converter implements ITypeConverter<Engine> {
        @Override
        public Engine convert(String text) {
            if (text.equals("auto")) {
                return AUTO;
            }
            return new Engine(
                    Optional.of(
                            Arrays.stream(EngineName.values())
                                    .filter(engine -> engine.text().equals(text))
                                    .findFirst()
                                    .orElseThrow(() -> unknown(text))));
        }

        private static TypeConversionException unknown(String text) {
            String known =
                    Arrays.stream(EngineName.values())
                            .map(EngineName::text)
                            .collect(Collectors.joining(", "));
            return new TypeConversionException(
                    "'" + text + "' is not an engine; expected auto, " + known);
        }
    }
}
