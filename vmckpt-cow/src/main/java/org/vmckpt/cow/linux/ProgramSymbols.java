package org.vmckpt.cow.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import net.fornwall.jelf.ElfException;
import net.fornwall.jelf.ElfFile;
import net.fornwall.jelf.ElfSegment;
import net.fornwall.jelf.ElfSymbol;

/** The symbols that a running program gives to the modules that it loads (elf(5), .dynsym). */
public final class ProgramSymbols {
    private static final String FILE_START = "00000000";
    private static final int FIELDS = 6;

    /** A program has tens of thousands of them, and to look takes tens of milliseconds. */
    private static final Map<Symbol, OptionalLong> KNOWN = new ConcurrentHashMap<>();

    private ProgramSymbols() {}

    private record Symbol(Object file, FileTime modified, String name) {}

    /**
     * Returns where a symbol of a process's program lies in its address space, or nothing when the
     * program does not give that symbol away.
     *
     * @throws IOException when the process is gone or may not be looked at, or its program is not
     *     an ELF file that can be read
     */
    public static OptionalLong address(long pid, String name) throws IOException {
        Path program = Path.of("/proc", Long.toString(pid), "exe");
        BasicFileAttributes file = Files.readAttributes(program, BasicFileAttributes.class);
        Symbol symbol =
                new Symbol(
                        Objects.requireNonNull(file.fileKey(), "fileKey"),
                        file.lastModifiedTime(),
                        name);
        OptionalLong offset = KNOWN.get(symbol);
        if (offset == null) {
            offset = offset(program, name);
            KNOWN.put(symbol, offset);
        }
        return offset.isPresent()
                ? OptionalLong.of(start(pid, program) + offset.getAsLong())
                : offset;
    }

    /** From where the program starts in memory. */
    private static OptionalLong offset(Path program, String name) throws IOException {
        try {
            ElfFile file = ElfFile.from(program);
            ElfSymbol symbol = file.getELFSymbol(name);
            ElfSegment first = file.firstSegmentByType(ElfSegment.PT_LOAD);
            return symbol == null || first == null || symbol.st_value == 0
                    ? OptionalLong.empty()
                    : OptionalLong.of(symbol.st_value - first.p_vaddr);
        } catch (ElfException e) {
            throw new IOException(program + ": " + e.getMessage(), e);
        }
    }

    private static long start(long pid, Path program) throws IOException {
        String name = Files.readSymbolicLink(program).toString();
        List<String> lines = Files.readAllLines(Path.of("/proc", Long.toString(pid), "maps"));
        for (String line : lines) {
            String[] fields = line.split(" +", FIELDS);
            if (fields.length == FIELDS && fields[5].equals(name) && fields[2].equals(FILE_START)) {
                return Long.parseUnsignedLong(fields[0].substring(0, fields[0].indexOf('-')), 16);
            }
        }
        throw new IOException("/proc/" + pid + "/maps: the start of " + name + " is not mapped");
    }
}
