package org.vmckpt.cow.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Which groups a user is in, as the host's own user database says: the C library asks it. */
public final class UserGroups {
    /** The kernel's NGROUPS_MAX. */
    private static final int MOST_GROUPS = 65536;

    private static final int FIRST_TRY = 64;

    /** As the user's own group, which the call adds to the answer: no group has this number. */
    private static final int NO_GROUP = -1;

    private static final MethodHandle GETGROUPLIST =
            Linker.nativeLinker()
                    .downcallHandle(
                            Linker.nativeLinker().defaultLookup().findOrThrow("getgrouplist"),
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, ADDRESS));

    private UserGroups() {}

    /** Whether the database lists the user in this group; the user's own group does not count. */
    public static boolean isMember(String user, int group) {
        for (int room = FIRST_TRY; room <= MOST_GROUPS; room *= 32) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment groups = arena.allocate(JAVA_INT, room);
                MemorySegment count = arena.allocateFrom(JAVA_INT, room);
                if (getgrouplist(arena.allocateFrom(user), groups, count) >= 0) {
                    return contains(groups, count.get(JAVA_INT, 0), group);
                }
            }
        }
        return false;
    }

    private static int getgrouplist(MemorySegment user, MemorySegment groups, MemorySegment count) {
        try {
            return (int) GETGROUPLIST.invokeExact(user, NO_GROUP, groups, count);
        } catch (Throwable impossible) {
            throw new AssertionError("getgrouplist", impossible);
        }
    }

    private static boolean contains(MemorySegment groups, int count, int wanted) {
        for (int i = 0; i < count; i++) {
            if (groups.getAtIndex(JAVA_INT, i) == wanted) {
                return true;
            }
        }
        return false;
    }
}
