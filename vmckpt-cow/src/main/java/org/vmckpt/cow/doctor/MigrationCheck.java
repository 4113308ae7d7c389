package org.vmckpt.cow.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;
import org.vmckpt.core.ProtocolException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.qmp.QmpClient;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.checkpoint.EngineTrial;

/** Whether QEMU takes the migration settings of an engine; they are put back at once. */
record MigrationCheck(long pid, QmpClient qmp, EngineName engine, String capability)
        implements Check {

    @Override
    public String what() {
        return capability;
    }

    @Override
    public Finding run() throws VmckptException {
        if (!isKnown()) {
            return problem(
                    "this QEMU does not have it", "start the guest with QEMU 7.2 or a later one");
        }
        try {
            EngineTrial.tryMigrationSetup(pid, qmp, engine);
            return Finding.ok(capability, "QEMU allows it");
        } catch (ProtocolException | UnsupportedException | RefusedException e) {
            return problem(String.valueOf(e.getMessage()));
        }
    }

    private boolean isKnown() throws VmckptException {
        for (JsonNode known : qmp.execute("query-migrate-capabilities")) {
            if (known.path("capability").asText().equals(capability)) {
                return true;
            }
        }
        return false;
    }

    private Finding problem(String found, String... remedy) {
        return Finding.problem(capability, found, Set.of(engine), remedy);
    }
}
