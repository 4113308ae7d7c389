package org.vmckpt.cli;

import org.vmckpt.core.HumanSize;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a size from the command line. */
final class SizeOption implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
        try {
            return HumanSize.parse(text);
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(String.valueOf(e.getMessage()));
        }
    }
}
