/**
 * Disks that vmckpt serves itself, so that it sees and steers every request.
 *
 * <p>A <em>volume</em> is a disk made of <em>layers</em>: the newest is <em>active</em> and takes
 * the guest's writes, those below are <em>frozen</em>. A <em>fork</em> puts a layer that was made
 * beforehand on top, while requests are under way. The first write to a <em>block group</em> (a
 * cluster of the image format) that lives in a frozen layer copies the rest of that group up.
 *
 * <p>Every request is entered into the volume's {@link org.vmckpt.cow.volume.Ledger} before it
 * touches a layer. These are the states of an entry:
 *
 * <pre>
 *              begin                       end
 *   (new) ───────────────▶ RUNNING ─────────────────▶ ENDED, answered with the result
 *     │  │                    │ ▲
 *     │  │ a new write to a   │ │ no such write        end
 *     │  │ group that a       │ │ is left         ┌──────────▶ ENDED, no second answer
 *     │  │ pending write of   │ │                 │
 *     │  │ an older layer,    │ │                 │
 *     │  │ or an abandoned    │ └── WAITING       │
 *     │  │ one, still changes │       ▲ │         │
 *     │  └────────────────────┼───────┘ │ hold    │
 *     │                       │ hold    │         │
 *     │                       └─────────┼──▶ ABANDONED, answered EIO, still in its layer
 *     │ held                            ▼
 *     └────────────────────────────▶ REFUSED, answered EIO
 * </pre>
 *
 * <p>The rules for pending requests, by the names that the design gives them, and what holds them:
 *
 * <dl>
 *   <dt>R1: a write pending at a fork reaches the frozen disk and the ongoing disk
 *   <dd>An entry keeps the layer that was active when it began; the ongoing disk sees what it
 *       writes through that layer. Under a hold it is ABANDONED instead: QEMU has saved it with the
 *       device state, so that the ongoing and every restored guest issue it again.
 *   <dt>R2: a write issued after the fork reaches the ongoing disk only
 *   <dd>Forking and beginning exclude each other; whoever begins later gets the newer layer.
 *   <dt>R3: a read pending at the checkpoint lands in saved and in ongoing memory
 *   <dd>Under a hold it is answered with EIO, with no data, and both guests read again.
 *   <dt>R5: a new write that copies up a group waits for pending writes to that group
 *   <dd>It is WAITING, and only it: writes to other groups and all reads go on. Else the copy could
 *       miss what the pending write is about to put into the frozen layer. The same wait keeps an
 *       abandoned write from landing on top of what the guest wrote later at its place.
 *   <dt>R7: a frozen layer is folded into its parent while the guest writes to a newer one
 *   <dd>Only layers that no entry uses are folded.
 * </dl>
 *
 * <p>What was answered with success is durable after the next flush even if a fork came in between:
 * a flush syncs every layer that was written since it was last synced, the oldest first.
 */
@NullMarked
package org.vmckpt.cow.volume;

import org.jspecify.annotations.NullMarked;
