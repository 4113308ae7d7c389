package org.vmckpt.agent.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Who may use the socket, tried as other users; needs root to become them. */
class PeerCheckIT {
    /** Groups and a user that every Debian has. */
    private static final String GROUP = "daemon";

    private static final String REQUEST =
            "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die"
                + " \"$!\\n\"; print $s \"POST /v1/jobs HTTP/1.1\\r\\nHost: a\\r\\nConnection:"
                + " close\\r\\nContent-Length: \" . length($ARGV[1]) . \"\\r\\n\\r\\n$ARGV[1]\";"
                + " print <$s>;";

    private static ApiFixture agent;

    @BeforeAll
    static void start() throws Exception {
        // The folder for temporary files may be root's alone; others shall get as far as the
        // socket.
        agent =
                ApiFixture.start(
                        Files.createTempDirectory(Path.of("/tmp"), "vmckpt-api-"),
                        "group: " + GROUP);
        Files.setPosixFilePermissions(agent.folder(), PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @AfterAll
    static void stop() throws Exception {
        agent.close();
    }

    private static String ask(String body, String... identity)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("setpriv"));
        command.addAll(List.of(identity));
        command.addAll(List.of("perl", "-e", REQUEST, agent.socket().toString(), body));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return output;
    }

    private static final String JOB = "{\"kind\": \"checkpoint\", \"guest\": \"vm1\"}";

    @Test
    void memberOfTheGroupIsLetIn() throws Exception {
        assertThat(ask(JOB, "--reuid=nobody", "--regid=" + GROUP, "--clear-groups"))
                .contains(" 202 ");
    }

    @Test
    void userOutsideOfTheGroupDoesNotReachTheSocket() throws Exception {
        assertThat(ask(JOB, "--reuid=nobody", "--regid=nogroup", "--clear-groups"))
                .contains("Permission denied");
    }

    @Test
    void userWhomOnlyTheFileModeLetsInIsRefusedByName() throws Exception {
        assertThat(ask(JOB, "--reuid=nobody", "--regid=nogroup", "--groups=" + GROUP))
                .contains(" 403 ", "user nobody", "group " + GROUP);
    }

    @Test
    void onlyRootNamesAGuestByItsSocket() throws Exception {
        String job = "{\"kind\": \"checkpoint\", \"guest\": \"qmp:/tmp/x.sock\"}";
        assertThat(ask(job, "--reuid=nobody", "--regid=" + GROUP, "--clear-groups"))
                .contains(" 403 ", "only root");
        assertThat(ask(job, "--clear-groups")).contains(" 202 ");
    }
}
