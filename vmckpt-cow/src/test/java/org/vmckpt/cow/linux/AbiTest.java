package org.vmckpt.cow.linux;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compares Abi with what the C compiler makes of the system's headers. */
class AbiTest {
    private static final List<String> STRUCTS =
            List.of(
                    "STATFS",
                    "IOVEC",
                    "FLOCK",
                    "POLLFD",
                    "SOCKADDR_UN",
                    "UCRED",
                    "USER_REGS",
                    "UFFDIO_API",
                    "UFFDIO_REGISTER",
                    "UFFDIO_RANGE",
                    "UFFDIO_WRITEPROTECT",
                    "UFFD_MSG");
    private static final Map<String, String> C_EXPRESSIONS =
            Map.ofEntries(
                    Map.entry("STATFS", "struct statfs"),
                    Map.entry("IOVEC", "struct iovec"),
                    Map.entry("IOVEC_BASE", "offsetof(struct iovec, iov_base)"),
                    Map.entry("IOVEC_LEN", "offsetof(struct iovec, iov_len)"),
                    Map.entry("FLOCK", "struct flock"),
                    Map.entry("POLLFD", "struct pollfd"),
                    Map.entry("SOCKADDR_UN", "struct sockaddr_un"),
                    Map.entry("UCRED", "struct ucred"),
                    Map.entry("USER_REGS", "struct user_regs_struct"),
                    Map.entry("UFFDIO_API", "struct uffdio_api"),
                    Map.entry("UFFDIO_REGISTER", "struct uffdio_register"),
                    Map.entry("UFFDIO_RANGE", "struct uffdio_range"),
                    Map.entry("UFFDIO_WRITEPROTECT", "struct uffdio_writeprotect"),
                    Map.entry("UFFD_MSG", "struct uffd_msg"),
                    Map.entry("SOCKADDR_UN_PATH", "offsetof(struct sockaddr_un, sun_path)"),
                    Map.entry(
                            "UFFDIO_REGISTER_START",
                            "offsetof(struct uffdio_register, range.start)"),
                    Map.entry("UFFDIO_REGISTER_LEN", "offsetof(struct uffdio_register, range.len)"),
                    Map.entry(
                            "UFFDIO_WRITEPROTECT_START",
                            "offsetof(struct uffdio_writeprotect, range.start)"),
                    Map.entry(
                            "UFFDIO_WRITEPROTECT_LEN",
                            "offsetof(struct uffdio_writeprotect, range.len)"),
                    Map.entry(
                            "UFFD_MSG_PAGEFAULT_FLAGS",
                            "offsetof(struct uffd_msg, arg.pagefault.flags)"),
                    Map.entry(
                            "UFFD_MSG_PAGEFAULT_ADDRESS",
                            "offsetof(struct uffd_msg, arg.pagefault.address)"),
                    Map.entry(
                            "UFFD_MSG_REMOVE_START", "offsetof(struct uffd_msg, arg.remove.start)"),
                    Map.entry("UFFD_MSG_REMOVE_END", "offsetof(struct uffd_msg, arg.remove.end)"),
                    // Newer than the headers of some supported systems.
                    Map.entry("UFFD_FEATURE_WP_UNPOPULATED", "1 << 13"));
    private static final String HEADERS =
            """
            #define _GNU_SOURCE
            #include <errno.h>
            #include <fcntl.h>
            #include <linux/magic.h>
            #include <linux/userfaultfd.h>
            #include <poll.h>
            #include <sched.h>
            #include <stddef.h>
            #include <stdio.h>
            #include <sys/eventfd.h>
            #include <sys/ioctl.h>
            #include <sys/mman.h>
            #include <sys/ptrace.h>
            #include <sys/resource.h>
            #include <sys/socket.h>
            #include <sys/syscall.h>
            #include <sys/statfs.h>
            #include <sys/un.h>
            #include <sys/user.h>
            #include <sys/uio.h>
            #include <sys/wait.h>
            #include <signal.h>
            #include <unistd.h>
            """;

    @TempDir private Path folder;

    @Test
    void numbersAndLayoutsAreThoseOfTheHeaders() throws Exception {
        assumeTrue(hasCompiler(), "gcc is not installed");
        StringBuilder program = new StringBuilder(HEADERS).append("int main(void) {\n");
        Map<String, Long> expected = new LinkedHashMap<>();
        addAll(Abi.class, expected, program);
        addAll(Errno.class, expected, program);
        program.append("return 0; }\n");
        assertThat(runProgram(program.toString())).containsExactlyEntriesOf(expected);
    }

    private static void addAll(Class<?> type, Map<String, Long> expected, StringBuilder program)
            throws IllegalAccessException {
        for (Field field : type.getDeclaredFields()) {
            if (field.isSynthetic()) {
                continue;
            }
            Number value = (Number) field.get(null);
            expected.put(field.getName(), value.longValue());
            program.append(
                    "printf(\"%s %%lld\\n\", (long long)(%s));\n"
                            .formatted(field.getName(), expression(field.getName())));
        }
    }

    private static String expression(String name) {
        String known = C_EXPRESSIONS.get(name);
        if (known != null && !STRUCTS.contains(name)) {
            return known;
        }
        for (String struct : STRUCTS) {
            if (name.equals(struct + "_SIZE")) {
                return "sizeof(" + C_EXPRESSIONS.get(struct) + ")";
            }
            if (isField(name, struct)) {
                String field =
                        name.substring(struct.length() + 1).toLowerCase(java.util.Locale.ROOT);
                return "offsetof(%s, %s)".formatted(C_EXPRESSIONS.get(struct), field);
            }
        }
        if (name.equals("PTRACE_EVENT_STOP") || name.equals("__WALL")) {
            return name;
        }
        return name.startsWith("SYS_")
                ? name.toLowerCase(java.util.Locale.ROOT).replace("sys_", "SYS_")
                : name;
    }

    private static boolean isField(String name, String struct) {
        return name.startsWith(struct + "_") && !name.contains("_MODE_");
    }

    private static boolean hasCompiler() throws InterruptedException {
        try {
            return new ProcessBuilder("gcc", "--version").start().waitFor() == 0;
        } catch (IOException absent) {
            return false;
        }
    }

    private Map<String, Long> runProgram(String source) throws Exception {
        Path file = Files.writeString(folder.resolve("abi.c"), source);
        Path binary = folder.resolve("abi");
        Process compiler =
                new ProcessBuilder("gcc", "-w", "-o", binary.toString(), file.toString())
                        .redirectErrorStream(true)
                        .start();
        String messages = new String(compiler.getInputStream().readAllBytes(), UTF_8);
        assertThat(compiler.waitFor()).as(messages).isZero();
        Process run = new ProcessBuilder(binary.toString()).start();
        Map<String, Long> values = new LinkedHashMap<>();
        for (String line :
                new String(run.getInputStream().readAllBytes(), UTF_8).lines().toList()) {
            int space = line.indexOf(' ');
            values.put(line.substring(0, space), Long.valueOf(line.substring(space + 1)));
        }
        return values;
    }
}
