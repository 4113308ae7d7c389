package org.vmckpt.agent.api;

import java.util.Map;
import java.util.Optional;
import org.vmckpt.agent.job.Job;
import org.vmckpt.core.VmckptException;
import org.vmckpt.cow.volume.VolumeFolder;

/** The endpoints of volumes. */
final class VolumeResources {
    /** What a fork is to do. */
    private record ForkRequest(Optional<String> hold) {}

    /** What a commit is to do. */
    private record CommitRequest(Optional<String> release, Optional<Long> bytesPerSecond) {}

    private VolumeResources() {}

    static void addTo(Routes routes, ApiContext context) {
        routes.add(
                        "GET",
                        "/v1/volumes",
                        _ -> Answer.ok(Map.of("volumes", context.volumes().list())))
                .add(
                        "GET",
                        "/v1/volumes/{volume}",
                        call -> Answer.ok(context.volumes().find(call.parameter("volume"))))
                .add("POST", "/v1/volumes/{volume}/fork", call -> fork(call, context))
                .add("POST", "/v1/volumes/{volume}/commit", call -> commit(call, context));
    }

    private static Answer fork(Call call, ApiContext context)
            throws VmckptException, BadRequestException {
        ForkRequest wanted = call.body(ForkRequest.class);
        requireName("hold", wanted.hold());
        return Answer.ok(context.volumes().fork(call.parameter("volume"), wanted.hold()));
    }

    private static Answer commit(Call call, ApiContext context)
            throws VmckptException, BadRequestException {
        CommitRequest wanted = call.body(CommitRequest.class);
        requireName("release", wanted.release());
        if (wanted.bytesPerSecond().filter(it -> it < 1).isPresent()) {
            throw JobRequest.bad("bytesPerSecond", "1 or more");
        }
        Job job =
                context.volumes()
                        .commit(
                                call.parameter("volume"),
                                wanted.release(),
                                wanted.bytesPerSecond().orElse(Long.MAX_VALUE));
        return Answer.json(202, job.view());
    }

    /** It becomes part of a file's name. */
    private static void requireName(String field, Optional<String> name)
            throws BadRequestException {
        if (name.filter(it -> !VolumeFolder.isName(it)).isPresent()) {
            throw JobRequest.bad(
                    field, "letters, digits, '.', '_' and '-', the first a letter or digit");
        }
    }
}
