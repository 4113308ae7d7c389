/**
 * Guest memory as it was at one instant, read while the guest runs on.
 *
 * <p>{@link org.vmckpt.cow.memory.GuestMemory} finds a QEMU's {@link
 * org.vmckpt.cow.memory.RamRegion}s: pieces of guest RAM that are shared files. A {@link
 * org.vmckpt.cow.memory.UffdAttachment} is the right to write-protect them. A {@link
 * org.vmckpt.cow.memory.MemoryTracker} knows which pages changed since the last copy. A {@link
 * org.vmckpt.cow.memory.MemoryCapture} is one copy: <em>armed</em> when all wanted pages are
 * protected, <em>copied</em> when each of them was read (the time between is the <em>window</em>),
 * <em>drained</em> when the {@link org.vmckpt.cow.memory.PageSink} has all of them. {@link
 * org.vmckpt.cow.memory.PageStates} has the states of a page, which may be a huge one. A
 * <em>slot</em> is room for 64 originals, or for one huge page, on their way to the sink.
 * docs/cow.md tells why the guest can never hang.
 */
@NullMarked
package org.vmckpt.cow.memory;

import org.jspecify.annotations.NullMarked;
