package org.vmckpt.cow.nbd;

/** A request that its connection's reader executes itself. */
final class InlineRequest extends NbdRequest {
    private final Writer writer;
    private final boolean piece;

    /**
     * @param piece a part of a request, which is answered by whom it belongs to
     */
    InlineRequest(Writer writer, boolean piece) {
        this.writer = writer;
        this.piece = piece;
    }

    @Override
    protected void resume() {
        throw new IllegalStateException("a request that is executed by its reader never waits");
    }

    @Override
    protected void bounce() {
        if (!piece) {
            writer.bounce(cookie(), type());
        }
    }
}
