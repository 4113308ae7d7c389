package org.vmckpt.testvm;

/**
 * How hard one part of the workload works.
 *
 * @param text as the guest reads it
 */
public record Rate(String text) {
    public static final Rate IDLE = perSecond(0);
    public static final Rate FLAT_OUT = new Rate("max");

    public Rate {
        if (!text.matches("max|[0-9]{1,12}")) {
            throw new IllegalArgumentException("neither max nor a number: " + text);
        }
    }

    /** Operations a second: pages, disk extents of 4 to 64 KiB, or touches. */
    public static Rate perSecond(long operations) {
        return new Rate(Long.toString(operations));
    }
}
