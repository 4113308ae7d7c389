package org.vmckpt.cow.memory;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where guest RAM lies in guest-physical memory, from the text of QEMU's {@code info mtree -f}:
 *
 * <pre>  0000000000000000-000000001fffffff (prio 0, ram): mem0 @0000000000000000 KVM</pre>
 */
final class FlatView {
    private static final Pattern RANGE =
            Pattern.compile(
                    "^\\s*([0-9a-f]{16})-[0-9a-f]{16} \\(prio -?\\d+, ram\\): (\\S+)"
                            + "(?: @([0-9a-f]{16}))?",
                    Pattern.MULTILINE);

    /** A guest-physical address whose byte lies {@code offset} bytes into its backend. */
    record Place(long guestAddress, long offset) {}

    private FlatView() {}

    /** Some place of a backend; none when the guest sees nothing of it. */
    static Optional<Place> placeOf(String backend, String mtree) {
        Matcher matcher = RANGE.matcher(mtree);
        while (matcher.find()) {
            if (isName(backend, matcher.group(2))) {
                String offset = matcher.group(3);
                return Optional.of(
                        new Place(
                                Long.parseUnsignedLong(matcher.group(1), 16),
                                offset == null ? 0 : Long.parseUnsignedLong(offset, 16)));
            }
        }
        return Optional.empty();
    }

    private static boolean isName(String backend, String name) {
        return name.equals(backend) || name.equals("/objects/" + backend);
    }
}
