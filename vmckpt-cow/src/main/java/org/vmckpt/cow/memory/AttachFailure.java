package org.vmckpt.cow.memory;

import org.vmckpt.core.RefusedException;
import org.vmckpt.core.TransportException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.linux.Errno;
import org.vmckpt.cow.linux.ErrnoException;

/** Turns the errno of an attach into a sentence that says what to change. */
final class AttachFailure {
    interface Attempt<T> {
        T run() throws ErrnoException;
    }

    private AttachFailure() {}

    static <T> T translate(long pid, Attempt<T> attempt) throws VmckptException {
        try {
            return attempt.run();
        } catch (ErrnoException failure) {
            throw of(pid, failure);
        }
    }

    static VmckptException of(long pid, ErrnoException failure) {
        return of("Attaching to QEMU (pid " + pid + ")", pid, failure);
    }

    static VmckptException ofRegistration(String guest, ErrnoException failure) {
        return of("Preparing the memory of " + guest, ProcessHandle.current().pid(), failure);
    }

    private static VmckptException of(String operation, long pid, ErrnoException failure) {
        String what = operation + ": " + failure.getMessage() + ". ";
        if (ProcessStatus.hasEnded(pid)) {
            // Until its parent asks for its end the kernel says EPERM.
            return new TransportException(what + "The process has ended", failure);
        }
        return switch (failure.errno()) {
            case Errno.ESRCH -> new TransportException(what + "The process has ended", failure);
            case Errno.EPERM, Errno.EACCES ->
                    new UnsupportedException(what + permission(failure.call(), pid), failure);
            case Errno.ENOSYS ->
                    new UnsupportedException(
                            what
                                    + "The kernel lacks the call: CONFIG_USERFAULTFD and Linux 5.19"
                                    + " or later are needed, and no seccomp filter that hides it",
                            failure);
            case Errno.EBUSY -> new RefusedException(what + busy(failure.call()), failure);
            case Errno.EMFILE ->
                    new RefusedException(
                            what
                                    + "QEMU or vmckpt has no free descriptor: raise RLIMIT_NOFILE"
                                    + " (ulimit -n)",
                            failure);
            case Errno.EINVAL ->
                    new UnsupportedException(
                            what
                                    + "The guest's memory, or its QEMU, is of a kind that cannot be"
                                    + " write-protected: it needs a 64-bit QEMU and memory on a"
                                    + " memfd or tmpfs",
                            failure);
            default -> new UnsupportedException(what + "Try another engine", failure);
        };
    }

    static VmckptException ofOwnUserfaultfd(ErrnoException failure) {
        String cure =
                failure.errno() == Errno.EPERM
                        ? "a seccomp filter of this container forbids it: allow userfaultfd"
                        : "the kernel needs CONFIG_USERFAULTFD";
        return new UnsupportedException(
                "Copy-on-write of guest memory: " + failure.getMessage() + "; " + cure, failure);
    }

    private static String permission(String call, long pid) {
        if (call.equals("userfaultfd")) {
            return "QEMU itself may not use userfaultfd: run `sysctl"
                    + " vm.unprivileged_userfaultfd=1` (it may go back to 0 after the attach), or"
                    + " give QEMU CAP_SYS_PTRACE";
        }
        if (call.equals("open")) {
            return "Reading the memory of another process needs CAP_SYS_ADMIN or"
                    + " CAP_CHECKPOINT_RESTORE: run vmckpt as root";
        }
        String tracer = tracerOf(pid);
        return tracer.isEmpty()
                ? "Tracing QEMU needs root or CAP_SYS_PTRACE, sysctl kernel.yama.ptrace_scope below"
                        + " 3, and no AppArmor or SELinux (deny_ptrace) rule against it"
                : tracer;
    }

    private static String tracerOf(long pid) {
        return ProcessStatus.tracerPid(pid)
                .map(tracer -> "Process " + tracer + " traces it already: detach that debugger")
                .orElse("");
    }

    private static String busy(String call) {
        return call.equals("UFFDIO_REGISTER")
                ? "Another userfaultfd watches the guest's memory: wait for the other checkpoint,"
                        + " postcopy migration or background snapshot to end"
                : "Its main thread did not stop in time; it may hang in a disk or network call";
    }
}
