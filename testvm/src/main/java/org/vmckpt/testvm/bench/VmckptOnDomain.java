package org.vmckpt.testvm.bench;

import java.nio.file.Path;
import org.vmckpt.core.ProgressListener;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.checkpoint.GuestAddress;
import org.vmckpt.cow.checkpoint.ReleaseService;

/** A whole checkpoint of a domain, whose disks are given back their first files after each. */
final class VmckptOnDomain implements Contender {
    private final GuestAddress domain;
    private final VmckptContender vmckpt;

    VmckptOnDomain(GuestAddress domain, Path folder) throws VmckptException {
        this.domain = domain;
        this.vmckpt = new VmckptContender(domain, folder);
    }

    @Override
    public String name() {
        return vmckpt.name();
    }

    @Override
    public Measurement measure() throws VmckptException {
        return vmckpt.measure();
    }

    @Override
    public void tidy() throws VmckptException {
        ReleaseService.release(domain, ProgressListener.none());
    }

    @Override
    public void close() {
        vmckpt.close();
    }
}
