package org.vmckpt.cli;

import org.vmckpt.cow.checkpoint.DiskIo;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What {@code --disk-io} takes. */
final class DiskIoMode implements ITypeConverter<DiskIo> {
    @Override
    public DiskIo convert(String text) {
        return switch (text) {
            case "auto" -> DiskIo.AUTO;
            case "drain" -> DiskIo.DRAIN;
            case "reissue" -> DiskIo.REISSUE;
            default ->
                    throw new TypeConversionException(
                            "expected auto, drain or reissue, found '" + text + "'");
        };
    }
}
