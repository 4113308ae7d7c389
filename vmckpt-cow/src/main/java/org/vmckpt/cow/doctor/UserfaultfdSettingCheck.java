package org.vmckpt.cow.doctor;

import java.util.Optional;

/** Whether a QEMU without privileges may use userfaultfd. */
final class UserfaultfdSettingCheck implements HostCheck {
    private static final String WHAT = "userfaultfd";

    @Override
    public String what() {
        return WHAT;
    }

    @Override
    public Finding run() {
        return judge(KernelSettings.read(KernelSettings.UNPRIVILEGED_USERFAULTFD));
    }

    static Finding judge(Optional<String> setting) {
        return switch (setting.orElse("")) {
            case "1" -> Finding.ok(WHAT, "vm.unprivileged_userfaultfd is 1: every QEMU may use it");
            case "" -> Finding.ok(WHAT, "this kernel has no vm.unprivileged_userfaultfd");
            default ->
                    Finding.ok(
                            WHAT,
                            "vm.unprivileged_userfaultfd is 0: enough for a QEMU that runs as root;"
                                    + " any other needs 1 while vmckpt attaches,"
                                    + " which sets it for that moment if it may");
        };
    }
}
