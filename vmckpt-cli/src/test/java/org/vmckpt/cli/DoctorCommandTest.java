package org.vmckpt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vmckpt.cow.checkpoint.EngineName;
import org.vmckpt.cow.doctor.Diagnosis;
import org.vmckpt.cow.doctor.Finding;
import org.vmckpt.cow.doctor.Verdict;

class DoctorCommandTest {
    @TempDir private Path folder = Path.of("");

    @Test
    void hostAloneIsJudgedByWhatUffdNeeds() {
        CommandRun run = CommandRun.of("doctor", "--json", "--store", folder.toString());
        JsonNode json = run.json();

        assertThat(json.path("engines").findValuesAsText("engine"))
                .containsExactly("uffd", "background", "pause");
        boolean usable = json.at("/engines/0/usable").asBoolean();
        assertThat(json.path("healthy").asBoolean()).isEqualTo(usable);
        run.endsWith(usable ? ExitCode.OK : ExitCode.UNSUPPORTED);
        assertThat(json.path("guest")).isEmpty();
    }

    @Test
    void guestThatIsNotThereIsNotFound() {
        String guest = "qmp:" + folder.resolve("none");

        assertThat(CommandRun.of("doctor", guest).endsWith(ExitCode.NOT_FOUND).err())
                .contains(folder.resolve("none").toString());
    }

    @Test
    void tableNamesTheProblemTheRemedyAndEveryEngine() {
        Finding problem =
                new Finding(
                        "memory",
                        "private to QEMU " + "word ".repeat(30),
                        Verdict.PROBLEM,
                        Set.of(EngineName.UFFD),
                        List.of("start it with -object share=on"));
        StringWriter text = new StringWriter();

        DoctorText.print(new Diagnosis(List.of(), List.of(problem)), new PrintWriter(text, true));

        assertThat(text.toString())
                .containsPattern("(?m)^  PROBLEM +memory +private to QEMU")
                .containsPattern("(?m)^ +-> start it with -object share=on$")
                .containsPattern("(?m)^  NO +uffd +see memory$")
                .containsPattern("(?m)^  yes +background ")
                .containsPattern("(?m)^  yes +pause ");
        assertThat(text.toString().lines()).allMatch(line -> line.length() <= 110);
    }
}
