package org.vmckpt.cow.memory;

/** What a guest must be started with so that its memory can be write-protected. */
public final class MemoryOptions {
    public static final String LIBVIRT_XML =
            "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>";

    private MemoryOptions() {}

    /** QEMU's options for all of the memory in one backend; 0 bytes when the size is unknown. */
    public static String shared(String id, long sizeBytes) {
        return sharedObject(id, sizeBytes) + " -machine memory-backend=" + id;
    }

    /** The same with a file of tmpfs, which QEMU 8.1 and later need. */
    public static String sharedFile(String id, long sizeBytes) {
        return "-object memory-backend-file,id=%s,size=%d,share=on,mem-path=/dev/shm/FILE -machine memory-backend=%s"
                .formatted(id, sizeBytes, id);
    }

    /** QEMU's option for one of several backends. */
    public static String sharedObject(String id, long sizeBytes) {
        String size = sizeBytes == 0 ? "..." : Long.toString(sizeBytes);
        return "-object memory-backend-memfd,id=%s,size=%s,share=on".formatted(id, size);
    }
}
