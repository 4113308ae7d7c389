package org.vmckpt.cow.doctor;

/** A check of the host, which asks nobody and so always has an answer. */
interface HostCheck extends Check {
    @Override
    Finding run();
}
