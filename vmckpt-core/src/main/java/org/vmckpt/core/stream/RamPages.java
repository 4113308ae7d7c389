package org.vmckpt.core.stream;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.stream.DeviceStream.RamBlock;

/** Takes the pages of RAM blocks out of a migration stream. */
public interface RamPages {
    /**
     * Asked once for every block, before any page comes.
     *
     * @return who takes its pages; empty leaves them in the stream
     */
    Optional<BlockPages> open(RamBlock block) throws VmckptException;

    /** The pages of one block, in no order. A page may come again: then the last one counts. */
    interface BlockPages {
        /**
         * Takes a page.
         *
         * @param number counted from the block's start
         * @param content one page, valid during the call
         */
        void page(long number, ByteBuffer content) throws VmckptException;

        void zero(long number) throws VmckptException;
    }
}
