package org.vmckpt.core.stream;

import static org.vmckpt.core.stream.StreamFormat.EOF;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FOOTER;
import static org.vmckpt.core.stream.StreamFormat.SECTION_FULL;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.vmckpt.core.UnsupportedException;

/**
 * Where each section of a file of bare sections can end, so that others follow it up to the end of
 * the file. Found from there: what looks like an end but leads nowhere is none.
 */
final class SectionChain {
    /** Mark and number. */
    static final int FOOTER_BYTES = 1 + Integer.BYTES;

    /** A real guest has some hundred; one that writes more of them wants our memory. */
    private static final int MOST_PLACES = 250_000;

    /** Mark, number, length of the name, one letter of it, instance, version. */
    private static final int SMALLEST_HEADER_BYTES = 1 + Integer.BYTES + 1 + 1 + 2 * Integer.BYTES;

    /** Where in a header the length of the name is: behind mark and number. */
    private static final int NAME_OFFSET = 1 + Integer.BYTES;

    private final ByteBuffer file;
    private final Map<Integer, Integer> endOfHeader = new HashMap<>();
    private final Map<Integer, Deque<Integer>> footers = new HashMap<>();
    private final Set<Integer> sectionIds = new HashSet<>();
    private int places;

    private SectionChain(ByteBuffer file) {
        this.file = file;
    }

    static SectionChain find(ByteBuffer file, int start) throws UnsupportedException {
        SectionChain chain = new SectionChain(file);
        for (int at = file.capacity() - 1; at >= start; at--) {
            if (file.get(at) == SECTION_FOOTER) {
                chain.noteFooter(at);
            } else if (file.get(at) == SECTION_FULL) {
                chain.noteHeader(at);
            }
        }
        return chain;
    }

    private void noteFooter(int at) throws UnsupportedException {
        int behind = at + FOOTER_BYTES;
        if (behind < file.capacity() && (isEnd(behind) || endOfHeader.containsKey(behind))) {
            count();
            footers.computeIfAbsent(file.getInt(at + 1), id -> new ArrayDeque<>()).push(at);
        }
    }

    private void noteHeader(int at) throws UnsupportedException {
        int headerBytes = headerBytes(at);
        if (headerBytes == 0) {
            return;
        }
        int id = file.getInt(at + 1);
        for (int footer : footers.getOrDefault(id, new ArrayDeque<>())) {
            if (footer >= at + headerBytes) {
                count();
                sectionIds.add(id);
                endOfHeader.put(at, footer);
                return;
            }
        }
    }

    private void count() throws UnsupportedException {
        if (++places > MOST_PLACES) {
            throw new UnsupportedException(
                    "device stream: more than "
                            + MOST_PLACES
                            + " places in it look like the end of a device: the guest has filled a"
                            + " device with them; use the pause engine");
        }
    }

    private boolean isEnd(int at) {
        return at == file.capacity() - 1 && file.get(at) == EOF;
    }

    /** How long what stands here is, if it can be a header; else 0. */
    private int headerBytes(int at) {
        if (file.capacity() - at < SMALLEST_HEADER_BYTES) {
            return 0;
        }
        int nameBytes = file.get(at + NAME_OFFSET) & 0xff;
        if (nameBytes == 0 || file.capacity() - at - SMALLEST_HEADER_BYTES < nameBytes - 1) {
            return 0;
        }
        byte[] name = new byte[nameBytes];
        file.get(at + NAME_OFFSET + 1, name);
        boolean isText =
                new String(name, StandardCharsets.ISO_8859_1)
                        .chars()
                        .allMatch(letter -> letter >= ' ' && letter <= '~');
        return isText ? SMALLEST_HEADER_BYTES - 1 + nameBytes : 0;
    }

    /** The nearest footer of the section that starts here, from which the file's end is reached. */
    OptionalInt footerOf(int header) {
        Integer footer = endOfHeader.get(header);
        return footer == null ? OptionalInt.empty() : OptionalInt.of(footer);
    }

    /** The numbers of all that can be sections, the real ones among them. */
    Set<Integer> sectionIds() {
        return sectionIds;
    }
}
