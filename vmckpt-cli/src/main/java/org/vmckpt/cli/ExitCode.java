package org.vmckpt.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.vmckpt.core.ErrorKind;
import org.vmckpt.core.VmckptException;

/** How the command ends. Scripts depend on the numbers: they never change meaning. */
enum ExitCode {
    OK(0, "ok", "Success."),
    BUG(1, "bug", "An unexpected error: a bug. Run again with --debug and report it."),
    USAGE(2, "usage", "The command line is wrong."),
    NOT_FOUND(3, "not-found", "A checkpoint, store, guest or file does not exist."),
    CORRUPT(4, "corrupt", "Stored or imported data is damaged."),
    CONFLICT(5, "conflict", "Something exists already, or is in use by somebody else."),
    REFUSED(6, "refused", "Permission or a safety rule forbids it; the guest runs on."),
    UNSUPPORTED(7, "unsupported", "The guest, host or file lacks something that is needed."),
    TRANSPORT(8, "transport", "A connection or pipe failed, or the other side went away."),
    PROTOCOL(9, "protocol", "The other side answered with an error or with nonsense."),
    STORAGE(10, "storage", "Reading or writing a file failed, for example on a full disk.");

    private final int number;
    private final String kind;
    private final String meaning;

    ExitCode(int number, String kind, String meaning) {
        this.number = number;
        this.kind = kind;
        this.meaning = meaning;
    }

    int number() {
        return number;
    }

    /** The word for this outcome in JSON. */
    String kind() {
        return kind;
    }

    static ExitCode of(VmckptException error) {
        return valueOf(ErrorKind.of(error).name());
    }

    /** Number to meaning, in order, for help and man pages. */
    static Map<String, String> descriptions() {
        Map<String, String> descriptions = new LinkedHashMap<>();
        for (ExitCode code : values()) {
            descriptions.put(Integer.toString(code.number), code.meaning);
        }
        return descriptions;
    }
}
