package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DistributionFilesTest {
    @TempDir private Path share = Path.of("");

    @BeforeEach
    void write() throws IOException {
        DistributionFiles.write(share, "1.2.3");
    }

    @Test
    void everyCommandHasAManualPageWithItsExitCodes() throws IOException {
        for (String command : CommandLineTest.commands()) {
            assertThat(page("vmckpt-" + command))
                    .contains(".TH", "1.2.3", ".SH NAME", ".SH EXIT STATUS", ".SH EXAMPLES")
                    .contains("vmckpt\\-" + command.replace("-", "\\-"));
        }
    }

    @Test
    void topManualPageNamesEveryCommand() throws IOException {
        for (String command : CommandLineTest.commands()) {
            assertThat(page("vmckpt")).contains("\\fB" + command.replace("-", "\\-") + "\\fP");
        }
    }

    @Test
    void manualPagesHaveNoLineThatRoffWouldTakeForAnUnknownRequest() throws IOException {
        for (String command : CommandLineTest.commands()) {
            assertThat(page("vmckpt-" + command).lines())
                    .filteredOn(line -> line.startsWith(".") || line.startsWith("'"))
                    .allMatch(line -> line.matches("\\.(TH|SH|TP|PP|nf|fi|nh|ad)( .*)?"));
        }
    }

    @Test
    void completionKnowsEveryCommandAndOption() throws IOException {
        String script = Files.readString(share.resolve("bash-completion/completions/vmckpt"));

        assertThat(script).contains(CommandLineTest.commands()).contains("--store", "--json");
    }

    private String page(String name) throws IOException {
        return Files.readString(share.resolve("man/man1/" + name + ".1"));
    }
}
