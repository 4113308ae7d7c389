package org.vmckpt.cow.hook;

/** Somebody else's text, made fit for a line of a log. */
final class Printable {
    private Printable() {}

    static String oneLine(String text) {
        return text.replaceAll("\\R", " | ").replaceAll("\\p{Cntrl}", "?");
    }
}
