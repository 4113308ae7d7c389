package org.vmckpt.cow.doctor;

import org.vmckpt.core.qmp.QemuVersion;

/** The version that all was tested with, or later. */
record QemuVersionCheck(QemuVersion version) implements Check {
    private static final String WHAT = "QEMU";
    private static final int MAJOR = 7;
    private static final int MINOR = 2;

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        String found = "version " + version.number();
        return version.isAtLeast(MAJOR, MINOR)
                ? Finding.ok(WHAT, found)
                : Finding.note(
                        WHAT,
                        found + " is older than " + MAJOR + "." + MINOR + ", which was tested",
                        "start the guest with QEMU " + MAJOR + "." + MINOR + " or later");
    }
}
