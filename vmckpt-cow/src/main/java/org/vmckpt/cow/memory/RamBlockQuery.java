package org.vmckpt.cow.memory;

import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;

/**
 * Asks a QEMU for its {@link RamBlockTable}. Versions since 8.0 tell where each block lies; in the
 * memory of older ones that is looked up ({@link RamBlockList}).
 */
final class RamBlockQuery {
    private static final String COMMAND = "info ramblock";

    private static final Logger LOG = LoggerFactory.getLogger(RamBlockQuery.class);

    private final QmpClient qmp;
    private final Optional<RamBlockList> list;

    private RamBlockQuery(QmpClient qmp, Optional<RamBlockList> list) {
        this.qmp = qmp;
        this.list = list;
    }

    /** A query, if there is a way to learn from this QEMU where its blocks lie. */
    static Optional<RamBlockQuery> of(long pid, QmpClient qmp) throws VmckptException {
        String text = qmp.humanMonitor(COMMAND);
        if (RamBlockTable.hasAddresses(text)) {
            return Optional.of(new RamBlockQuery(qmp, Optional.empty()));
        }
        Optional<RamBlockQuery> looking =
                RamBlockList.find(pid).map(list -> new RamBlockQuery(qmp, Optional.of(list)));
        if (looking.isPresent()) {
            try {
                looking.get().parse(text);
            } catch (ProtocolException e) {
                LOG.debug("not used: {}", e.getMessage());
                return Optional.empty();
            }
        }
        return looking;
    }

    RamBlockTable read() throws VmckptException {
        return parse(qmp.humanMonitor(COMMAND));
    }

    private RamBlockTable parse(String text) throws ProtocolException {
        return list.isPresent()
                ? RamBlockTable.parse(text, list.get().hostAddresses())
                : RamBlockTable.parse(text, Map.of());
    }
}
