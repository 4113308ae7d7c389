/**
 * Every call into the Linux kernel, and nothing else: the only package that knows native memory.
 *
 * <p>Three layers. {@code Syscalls} is shaped as in C and returns a value or a negative errno;
 * {@code FfmSyscalls} makes the calls through the Foreign Function and Memory API; the public
 * domain types hide both. A {@link org.vmckpt.cow.linux.Userfaultfd} write-protects memory and
 * reports the writes to it, a {@link org.vmckpt.cow.linux.Tracee} is a stopped thread that makes
 * system calls for us, a {@link org.vmckpt.cow.linux.PidFd} takes a copy of another process's
 * descriptor, a {@link org.vmckpt.cow.linux.GuestFile} is the file behind guest memory, a {@link
 * org.vmckpt.cow.linux.NativeBuffer} is memory outside the Java heap.
 *
 * <p>x86-64 only: system call numbers and register layouts are those of that architecture.
 */
@NullMarked
package org.vmckpt.cow.linux;

import org.jspecify.annotations.NullMarked;
