package org.vmckpt.testvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The agent's page in a browser, which reaches the agent's socket as through {@code ssh -L}. */
@Timeout(300)
final class WebPageIT {
    private static final long MIB = 1 << 20;
    private static final int CHECKPOINTS = 3;

    /** Fewer colours have neither text nor charts. */
    private static final int FEW_COLOURS = 20;

    @TempDir Path folder;

    @Test
    void thePageShowsGuestsAndTheirCheckpoints() throws Exception {
        try (TestGuest guest =
                        TestGuest.builder()
                                .memory(128 * MIB)
                                .disk(TestDisk.qcow2(16 * MIB))
                                .workload(Workload.busy(8 * MIB))
                                .start();
                SocketRelay relay = SocketRelay.to(folder.resolve("agent.sock"))) {
            guest.awaitWork();
            Files.write(
                    folder.resolve("agent.yaml"),
                    List.of(
                            "store: " + folder.resolve("store"),
                            "api: {socket: " + folder.resolve("agent.sock") + "}",
                            "guests:",
                            "  web: {monitor: %s, %s}"
                                    .formatted(guest.qmpSocket(), PatientRequest.DRAIN_SETTING),
                            "  gone: {monitor: " + folder.resolve("none.sock") + "}",
                            "schedules: {yearly: {guest: web, cron: '0 0 1 1 *', keep: {last:"
                                    + " 9}}}"));
            try (AgentProcess agent = AgentProcess.start(folder, Map.of())) {
                for (int i = 0; i < CHECKPOINTS; i++) {
                    agent.vmckpt("checkpoint", "web", "--name", "step-" + i);
                }
                String page = browse(relay, "--dump-dom");
                assertThat(page).as(page).contains("data-state=\"shown\"");
                assertThat(page).contains("<tr data-guest=\"web\"><td>web</td><td>tracked</td>");
                assertThat(page).contains("<td>step-2</td>", "<tr data-guest=\"gone\">");
                assertThat(points(page, "timeline")).isEqualTo(CHECKPOINTS);
                assertThat(points(page, "pause-[01]")).isEqualTo(CHECKPOINTS);
                assertThat(points(page, "dirty-[01]")).isEqualTo(CHECKPOINTS);
                Path shot = Path.of("target/web-page.png").toAbsolutePath();
                browse(relay, "--screenshot=" + shot);
                requireDrawing(shot.toFile());
            }
        }
    }

    /** How many points all canvases with such an id show. */
    private static int points(String page, String id) {
        Matcher canvas = Pattern.compile("<canvas [^>]*id=\"" + id + "\"[^>]*>").matcher(page);
        int points = 0;
        while (canvas.find()) {
            Matcher number = Pattern.compile("data-points=\"(\\d+)\"").matcher(canvas.group());
            assertThat(number.find()).as(canvas.group()).isTrue();
            points += Integer.parseInt(number.group(1));
        }
        return points;
    }

    private String browse(SocketRelay relay, String what) throws Exception {
        Path errors = folder.resolve("browser");
        Process browser =
                new ProcessBuilder(
                                "chromium",
                                "--headless",
                                "--no-sandbox",
                                "--disable-gpu",
                                "--disable-dev-shm-usage",
                                "--user-data-dir=" + folder.resolve("profile"),
                                "--window-size=1200,1100",
                                "--virtual-time-budget=3000",
                                what,
                                "http://127.0.0.1:" + relay.port() + "/")
                        .redirectError(errors.toFile())
                        .start();
        String page = new String(browser.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(browser.waitFor()).as(Files.readString(errors)).isZero();
        return page;
    }

    private static void requireDrawing(File shot) throws Exception {
        BufferedImage image = ImageIO.read(shot);
        assertThat(image.getWidth()).isEqualTo(1200);
        int[] pixels = image.getRGB(0, 0, 1200, image.getHeight(), null, 0, 1200);
        assertThat(java.util.Arrays.stream(pixels).distinct().count()).isGreaterThan(FEW_COLOURS);
    }
}
