package org.vmckpt.cow.linux;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * A thread of a process, as a rule its main one, stopped by ptrace, that makes system calls for us.
 *
 * <p>Why it is safe, also when we are killed at any point:
 *
 * <ul>
 *   <li>PTRACE_SEIZE and PTRACE_INTERRUPT leave no SIGSTOP behind; the kernel lets the thread go on
 *       when its tracer dies.
 *   <li>No code is written. The thread waits in ppoll, so the bytes before its instruction pointer
 *       are a {@code syscall} instruction: we set registers and let it run that once more. If we
 *       die then, the thread's ppoll seems to return early, which its event loop expects.
 *   <li>The end of the call is seen by PTRACE_SYSCALL, not by single steps: a pending single step
 *       would outlive its tracer as a SIGTRAP that kills the process.
 *   <li>Registers are put back as the kernel itself would restart an interrupted call.
 * </ul>
 *
 * <p>ptrace obeys only the thread that attached, so {@link #run} starts one named platform thread.
 */
public final class Tracee {
    /** What is done with the stopped thread. */
    public interface Work<T> {
        T run(Tracee tracee) throws ErrnoException;
    }

    private static final long STOP_TIMEOUT_NANOS = 2_000_000_000L;
    private static final int ATTEMPTS_TO_STOP = 3;
    private static final long POLL_NANOS = 20_000;
    private static final long RETRY_NANOS = 1_000_000;
    // A busy main loop passes through its ppoll many times in this many milliseconds.
    private static final int ATTEMPTS_FOR_POLL = 100;
    private static final int ATTEMPTS_FOR_POLL_ELSEWHERE = 1;
    private static final int ATTEMPTS_FOR_ANY_WAIT = 200;

    private static final int SYSCALL_INSTRUCTION = 0x050F;
    private static final int SYSCALL_INSTRUCTION_SIZE = 2;
    private static final long NOT_IN_A_CALL = -1;
    private static final long USER_CS_64 = 0x33;

    // Answers that only a tracer sees: the kernel turns them into a restart of the call.
    private static final long ERESTARTSYS = -512;
    private static final long ERESTARTNOHAND = -514;
    private static final long ERESTART_RESTARTBLOCK = -516;

    private final Syscalls syscalls;
    private final int pid;
    private final int tid;
    private final List<Integer> heldBackSignals = new ArrayList<>();
    private long[] original = {};

    private Tracee(Syscalls syscalls, int pid, int tid) {
        this.syscalls = syscalls;
        this.pid = pid;
        this.tid = tid;
    }

    /**
     * Stops a thread of a process, does the work, and lets it go on as if nothing had happened,
     * whatever the work does.
     *
     * @throws ErrnoException EPERM without the right to trace it, ESRCH when it is gone, EBUSY when
     *     it could not be stopped in time
     */
    public static <T> T run(long pid, Work<T> work) throws ErrnoException {
        for (int attempt = 1; ; attempt++) {
            try {
                return runOnce(pid, work);
            } catch (ErrnoException e) {
                // The chosen thread may have ended, or sleep where no signal reaches it; the
                // process may have others.
                boolean passing = e.errno() == Errno.EBUSY || e.errno() == Errno.ESRCH;
                if (!passing || attempt == ATTEMPTS_TO_STOP || !ProcessHandle.of(pid).isPresent()) {
                    throw e;
                }
            }
        }
    }

    private static <T> T runOnce(long pid, Work<T> work) throws ErrnoException {
        Outcome<T> outcome = new Outcome<>();
        Thread thread =
                Thread.ofPlatform()
                        .name("vmckpt-tracer-" + pid)
                        .start(() -> outcome.of(() -> attachAndRun((int) pid, work)));
        outcome.join(thread);
        return outcome.get();
    }

    private static <T> T attachAndRun(int pid, Work<T> work) throws ErrnoException {
        Tracee tracee = new Tracee(FfmSyscalls.INSTANCE, pid, ThreadChoice.of(pid));
        tracee.ptrace(Abi.PTRACE_SEIZE, 0, Abi.PTRACE_O_TRACESYSGOOD, "PTRACE_SEIZE");
        // From here on the end of this thread, too, lets the tracee go.
        tracee.stop();
        try {
            return work.run(tracee);
        } finally {
            tracee.letGo();
        }
    }

    /**
     * Makes the thread do one system call that neither blocks nor is interrupted by signals.
     *
     * @return the call's value, or a negative errno
     */
    public long call(long number, long... arguments) throws ErrnoException {
        long[] registers = original.clone();
        put(registers, Abi.USER_REGS_RIP, syscallInstruction());
        put(registers, Abi.USER_REGS_RAX, number);
        // Tells the kernel that there is no interrupted call to restart.
        put(registers, Abi.USER_REGS_ORIG_RAX, NOT_IN_A_CALL);
        int[] order = {
            Abi.USER_REGS_RDI, Abi.USER_REGS_RSI, Abi.USER_REGS_RDX,
            Abi.USER_REGS_R10, Abi.USER_REGS_R8, Abi.USER_REGS_R9
        };
        for (int i = 0; i < order.length; i++) {
            put(registers, order[i], i < arguments.length ? arguments[i] : 0);
        }
        setRegisters(registers);
        runToSyscallStop();
        runToSyscallStop();
        return get(getRegisters(), Abi.USER_REGS_RAX);
    }

    /**
     * Makes the thread open a userfaultfd; the value is its number there.
     *
     * @throws ErrnoException of the call {@code userfaultfd}: EPERM when the process may not
     */
    public int openUserfaultfd() throws ErrnoException {
        long number = call(Abi.SYS_USERFAULTFD, Userfaultfd.CREATION_FLAGS);
        return (int) ErrnoException.check(number, "userfaultfd", toString());
    }

    /** Makes the thread close one of its process's descriptors. */
    public void closeDescriptor(int number) throws ErrnoException {
        long result = call(Abi.SYS_CLOSE, number);
        ErrnoException.check(result, "close", "descriptor " + number + " of " + this);
    }

    private void stop() throws ErrnoException {
        for (int attempt = 0; ; attempt++) {
            ptrace(Abi.PTRACE_INTERRUPT, 0, 0, "PTRACE_INTERRUPT");
            awaitInterruptStop();
            original = getRegisters();
            if (get(original, Abi.USER_REGS_CS) != USER_CS_64) {
                throw new ErrnoException("PTRACE_GETREGS", Errno.EINVAL, "a 32-bit " + this);
            }
            if (isGoodPlace(attempt)) {
                return;
            }
            ptrace(Abi.PTRACE_CONT, 0, 0, "PTRACE_CONT");
            LockSupport.parkNanos(RETRY_NANOS);
        }
    }

    /** Whether a spurious return of the interrupted call would do no harm, should we die. */
    private boolean isGoodPlace(int attempt) throws ErrnoException {
        long call = get(original, Abi.USER_REGS_ORIG_RAX);
        boolean polls =
                call == Abi.SYS_PPOLL
                        || call == Abi.SYS_POLL
                        || call == Abi.SYS_EPOLL_WAIT
                        || call == Abi.SYS_EPOLL_PWAIT;
        int patience = tid == pid ? ATTEMPTS_FOR_POLL : ATTEMPTS_FOR_POLL_ELSEWHERE;
        boolean waits = call == Abi.SYS_FUTEX && attempt >= patience;
        return ((polls || waits) && isAfterSyscallInstruction())
                || attempt >= ATTEMPTS_FOR_ANY_WAIT;
    }

    private boolean isAfterSyscallInstruction() throws ErrnoException {
        long address = get(original, Abi.USER_REGS_RIP) - SYSCALL_INSTRUCTION_SIZE;
        return (peek(address) & 0xFFFF) == SYSCALL_INSTRUCTION;
    }

    private long syscallInstruction() throws ErrnoException {
        if (isAfterSyscallInstruction()) {
            return get(original, Abi.USER_REGS_RIP) - SYSCALL_INSTRUCTION_SIZE;
        }
        return VdsoSearch.syscallInstruction(syscalls, pid);
    }

    private void letGo() throws ErrnoException {
        setRegisters(restarted(original));
        ptrace(Abi.PTRACE_DETACH, 0, 0, "PTRACE_DETACH");
        for (int signal : heldBackSignals) {
            syscalls.tgkill(pid, tid, signal);
        }
    }

    /** The registers with which an interrupted call starts again, as the kernel would set them. */
    static long[] restarted(long[] interrupted) {
        long[] registers = interrupted.clone();
        long call = get(registers, Abi.USER_REGS_ORIG_RAX);
        long answer = get(registers, Abi.USER_REGS_RAX);
        boolean again = answer <= ERESTARTSYS && answer >= ERESTARTNOHAND;
        if (call >= 0 && (again || answer == ERESTART_RESTARTBLOCK)) {
            put(registers, Abi.USER_REGS_RAX, again ? call : Abi.SYS_RESTART_SYSCALL);
            long next = get(registers, Abi.USER_REGS_RIP);
            put(registers, Abi.USER_REGS_RIP, next - SYSCALL_INSTRUCTION_SIZE);
            put(registers, Abi.USER_REGS_ORIG_RAX, NOT_IN_A_CALL);
        }
        return registers;
    }

    private void awaitInterruptStop() throws ErrnoException {
        while (true) {
            int status = awaitStatus();
            if (status >> 16 == Abi.PTRACE_EVENT_STOP) {
                return;
            }
            // A signal of its own came first: it is delivered, our stop follows.
            ptrace(Abi.PTRACE_CONT, 0, stopSignal(status), "PTRACE_CONT");
        }
    }

    private void runToSyscallStop() throws ErrnoException {
        while (true) {
            ptrace(Abi.PTRACE_SYSCALL, 0, 0, "PTRACE_SYSCALL");
            int status = awaitStatus();
            if (stopSignal(status) == (Abi.SIGTRAP | 0x80)) {
                return;
            }
            if (status >> 16 == 0) {
                // Its handler must not run on borrowed registers: sent again after the detach.
                heldBackSignals.add(stopSignal(status));
            }
        }
    }

    private int awaitStatus() throws ErrnoException {
        Scratch scratch = Scratch.current();
        long deadline = System.nanoTime() + STOP_TIMEOUT_NANOS;
        // Polled, because a wait for a thread in uninterruptible sleep would have no end.
        while (System.nanoTime() - deadline < 0) {
            long result = syscalls.wait4(tid, scratch.address(), Abi.WNOHANG | Abi.__WALL);
            if (result == tid) {
                return stopped(scratch.getInt(0));
            } else if (result < 0 && result != -Errno.EINTR) {
                throw new ErrnoException("wait4", (int) -result, toString());
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        throw new ErrnoException("PTRACE_INTERRUPT", Errno.EBUSY, this + " within 2 s");
    }

    private int stopped(int status) throws ErrnoException {
        if ((status & 0xFF) != 0x7F) {
            throw new ErrnoException("wait4", Errno.ESRCH, this + ", which ended,");
        }
        return status;
    }

    private static int stopSignal(int status) {
        return (status >> 8) & 0xFF;
    }

    private long peek(long address) throws ErrnoException {
        // The bare system call stores the word where data points, unlike libc's wrapper.
        ptrace(Abi.PTRACE_PEEKTEXT, address, Scratch.current().address(), "PTRACE_PEEKTEXT");
        return Scratch.current().getLong(0);
    }

    private long[] getRegisters() throws ErrnoException {
        Scratch scratch = Scratch.current();
        ptrace(Abi.PTRACE_GETREGS, 0, scratch.address(), "PTRACE_GETREGS");
        long[] registers = new long[Abi.USER_REGS_SIZE / Long.BYTES];
        Arrays.setAll(registers, i -> scratch.getLong(i * Long.BYTES));
        return registers;
    }

    private void setRegisters(long[] registers) throws ErrnoException {
        Scratch scratch = Scratch.current();
        for (int i = 0; i < registers.length; i++) {
            scratch.putLong(i * Long.BYTES, registers[i]);
        }
        ptrace(Abi.PTRACE_SETREGS, 0, scratch.address(), "PTRACE_SETREGS");
    }

    private static long get(long[] registers, int offset) {
        return registers[offset / Long.BYTES];
    }

    private static void put(long[] registers, int offset, long value) {
        registers[offset / Long.BYTES] = value;
    }

    private void ptrace(int request, long address, long data, String name) throws ErrnoException {
        ErrnoException.check(syscalls.ptrace(request, tid, address, data), name, toString());
    }

    @Override
    public String toString() {
        return "process " + pid;
    }
}
