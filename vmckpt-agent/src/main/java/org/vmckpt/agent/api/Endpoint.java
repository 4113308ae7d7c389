package org.vmckpt.agent.api;

import org.vmckpt.core.VmckptException;

/** Answers one method of one path. */
@FunctionalInterface
interface Endpoint {
    Answer answer(Call call) throws VmckptException, BadRequestException;
}
