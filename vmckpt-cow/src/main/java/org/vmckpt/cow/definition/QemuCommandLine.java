package org.vmckpt.cow.definition;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** QEMU's arguments as a list of options, in order. Unknown options are kept as they are. */
public record QemuCommandLine(List<QemuOption> options) {

    /**
     * The options that take no value: in QEMU's {@code qemu-options.hx} those without {@code
     * HAS_ARG}, of 5.0 to 10.1. Every other option takes the next argument.
     */
    private static final Set<String> SWITCHES =
            Set.of(
                    "S",
                    "alt-grab",
                    "async-teardown",
                    "audio-help",
                    "ctrl-grab",
                    "curses",
                    "daemonize",
                    "enable-fips",
                    "enable-kvm",
                    "enable-sync-profile",
                    "full-screen",
                    "h",
                    "help",
                    "jitdump",
                    "mem-prealloc",
                    "no-acpi",
                    "no-fd-bootchk",
                    "no-frame",
                    "no-hpet",
                    "no-quit",
                    "no-reboot",
                    "no-shutdown",
                    "no-user-config",
                    "nodefaults",
                    "nographic",
                    "old-param",
                    "one-insn-per-tb",
                    "only-migratable",
                    "perfmap",
                    "portrait",
                    "preconfig",
                    "s",
                    "sdl",
                    "semihosting",
                    "show-cursor",
                    "singlestep",
                    "snapshot",
                    "usb",
                    "version",
                    "win2k-hack",
                    "xen-attach",
                    "xen-create",
                    "xen-domid-restrict");

    public QemuCommandLine {
        options = List.copyOf(options);
    }

    /**
     * Cuts arguments into options.
     *
     * @param arguments argv after the binary's name
     */
    public static QemuCommandLine parse(List<String> arguments, QemuOption.Origin origin) {
        List<QemuOption> options = new ArrayList<>();
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            if (!isOption(argument)) {
                options.add(new QemuOption("", Optional.of(argument), origin));
                continue;
            }
            String name = canonicalName(argument);
            boolean hasValue = !SWITCHES.contains(name) && i + 1 < arguments.size();
            Optional<String> value = hasValue ? Optional.of(arguments.get(++i)) : Optional.empty();
            options.add(new QemuOption(name, value, origin));
        }
        return new QemuCommandLine(options);
    }

    private static boolean isOption(String argument) {
        return argument.length() > 1 && argument.startsWith("-");
    }

    private static String canonicalName(String argument) {
        String name = argument.substring(argument.startsWith("--") ? 2 : 1);
        return name.equals("M") ? "machine" : name;
    }

    /** argv after the binary's name. */
    public List<String> arguments() {
        List<String> arguments = new ArrayList<>();
        for (QemuOption option : options) {
            if (!option.name().isEmpty()) {
                arguments.add("-" + option.name());
            }
            option.value().ifPresent(arguments::add);
        }
        return arguments;
    }

    public List<QemuOption> named(String name) {
        return options.stream().filter(option -> option.name().equals(name)).toList();
    }
}
