package org.vmckpt.cow.block;

import java.io.IOException;

/** Takes the extents of a disk one after another. */
public interface ExtentVisitor {
    void extent(long offset, long length, BlockStatus status) throws IOException;
}
