package org.vmckpt.cow.restore;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.cow.definition.QemuCommandLine;
import org.vmckpt.cow.definition.QemuOption;

/**
 * Lays the user's arguments over the recorded ones. An option replaces the recorded option of the
 * same name and id. Without an id it replaces the only recorded option of that name without one;
 * where a guest may have many of a kind, only one of the same type. Otherwise it is added.
 */
final class GivenArguments {
    /** Options that stand for one thing among many: without an id, the type must be equal too. */
    private static final Set<String> MANY_OF_A_KIND =
            Set.of("device", "object", "chardev", "fsdev", "virtfs", "tpmdev", "audiodev");

    /** Options without any identity, of which each one counts. */
    private static final Set<String> ALWAYS_ADDED =
            Set.of("", "drive", "blockdev", "global", "set", "fw_cfg", "smbios", "acpitable");

    private GivenArguments() {}

    /**
     * @param given each text is one or more options as on a command line, for example {@code
     *     -netdev user,id=net0}; quotes and backslashes work as in a shell
     */
    static QemuCommandLine apply(QemuCommandLine recorded, List<String> given)
            throws UnsupportedException {
        List<QemuOption> options = new ArrayList<>(recorded.options());
        for (String text : given) {
            List<String> words = ShellWords.split(text);
            if (words.isEmpty() || !words.getFirst().startsWith("-")) {
                throw new UnsupportedException(
                        "--arg \"%s\" is not a QEMU option: give it as --arg \"-NAME VALUE\""
                                .formatted(text));
            }
            QemuCommandLine line = QemuCommandLine.parse(words, QemuOption.Origin.GIVEN);
            line.options().forEach(option -> lay(options, option));
        }
        return new QemuCommandLine(options);
    }

    private static void lay(List<QemuOption> options, QemuOption option) {
        List<QemuOption> replaced =
                options.stream().filter(recorded -> replaces(option, recorded)).toList();
        if (replaced.size() == 1) {
            options.set(options.indexOf(replaced.getFirst()), option);
        } else {
            options.add(option);
        }
    }

    private static boolean replaces(QemuOption option, QemuOption recorded) {
        if (recorded.isGiven()
                || !recorded.name().equals(option.name())
                || !recorded.id().equals(option.id())) {
            return false;
        }
        if (option.id().isPresent()) {
            return true;
        }
        if (ALWAYS_ADDED.contains(option.name())) {
            return false;
        }
        return !MANY_OF_A_KIND.contains(option.name()) || option.type().equals(recorded.type());
    }
}
