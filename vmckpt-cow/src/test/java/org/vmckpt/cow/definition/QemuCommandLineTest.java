package org.vmckpt.cow.definition;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vmckpt.cow.definition.QemuOption.Origin;

class QemuCommandLineTest {
    private static QemuCommandLine parse(String... arguments) {
        return QemuCommandLine.parse(List.of(arguments), Origin.RECORDED);
    }

    private static QemuOption option(String... arguments) {
        return parse(arguments).options().getFirst();
    }

    @Test
    void argumentsComeBackAsTheyWereWritten() {
        List<String> arguments =
                List.of(
                        "-name",
                        "guest=vm-1,debug-threads=on",
                        "-nodefaults",
                        "-drive",
                        "file=/a,,b.img,if=virtio,format=raw",
                        "-blockdev",
                        "{\"driver\":\"file\", \"filename\":\"/x\", \"node-name\":\"n\"}",
                        "-some-future-option",
                        "value",
                        "disk.img");
        assertThat(QemuCommandLine.parse(arguments, Origin.RECORDED).arguments())
                .isEqualTo(arguments);
    }

    @Test
    void aSwitchTakesNoValue() {
        assertThat(parse("-S", "-hda", "x").options())
                .extracting(QemuOption::name, QemuOption::value)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("S", Optional.empty()),
                        org.assertj.core.groups.Tuple.tuple("hda", Optional.of("x")));
    }

    @Test
    void twoDashesAndShortNamesAreTheSameOption() {
        assertThat(parse("--M", "pc", "-machine", "q35").named("machine")).hasSize(2);
    }

    @Test
    void aBareWordIsADisk() {
        assertThat(option("disk.img").name()).isEmpty();
        assertThat(option("-").text()).isEqualTo("-");
    }

    @Test
    void aLastOptionWithoutItsValueIsKept() {
        assertThat(parse("-kernel").arguments()).containsExactly("-kernel");
    }

    @Test
    void doubledCommasBelongToTheValue() {
        OptionProperties drive = option("-drive", "file=/a,,b,,,if=none").properties();
        assertThat(drive.get("file")).contains("/a,b,");
        assertThat(drive.get("if")).contains("none");
        assertThat(drive.with("file", "/c,d").render()).isEqualTo("file=/c,,d,if=none");
    }

    @Test
    void theFirstWordIsTheType() {
        QemuOption netdev = option("-netdev", "user,id=net0,hostfwd=tcp::1-:2");
        assertThat(netdev.type()).isEqualTo("user");
        assertThat(netdev.id()).contains("net0");
        assertThat(option("-machine", "accel=kvm,type=q35").type()).isEqualTo("q35");
        assertThat(option("-machine", "pc,accel=kvm").properties().with("type", "pc-1").render())
                .isEqualTo("pc-1,accel=kvm");
    }

    @Test
    void bareWordsAreSwitches() {
        OptionProperties chardev =
                option("-chardev", "socket,id=c,path=/s,server,nowait").properties();
        assertThat(chardev.isOn("server")).isTrue();
        assertThat(chardev.get("wait")).contains("off");
        assertThat(chardev.with("wait", "off").with("server", "on").render())
                .isEqualTo("socket,id=c,path=/s,server=on,wait=off");
    }

    @Test
    void theLastOfARepeatedKeyCountsAndOneReplacesAll() {
        OptionProperties properties = OptionProperties.parse("a=1,b=2,a=3", "");
        assertThat(properties.get("a")).contains("3");
        assertThat(properties.with("a", "4").render()).isEqualTo("a=4,b=2");
    }

    @Test
    void membersGoWithTheirParent() {
        OptionProperties properties =
                OptionProperties.parse("driver=qcow2,file.driver=file,file.filename=/x,id=d", "");
        assertThat(properties.without("file").render()).isEqualTo("driver=qcow2,id=d");
        assertThat(properties.with("file", "/y").withoutMembers("file").render())
                .isEqualTo("driver=qcow2,id=d,file=/y");
    }

    @Test
    void jsonMembersHaveDottedNames() {
        OptionProperties json =
                option(
                                "-blockdev",
                                """
                                {"driver":"qcow2","read-only":true,"backing":null,\
                                "file":{"driver":"file","filename":"/a,b"}}\
                                """)
                        .properties();
        assertThat(json.get("file.filename")).contains("/a,b");
        assertThat(json.isOn("read-only")).isTrue();
        assertThat(json.get("backing")).isEmpty();
        assertThat(json.get("file")).isEmpty();
        assertThat(json.without("backing").with("file.filename", "/c").render())
                .isEqualTo(
                        """
                        {"driver":"qcow2","read-only":true,\
                        "file":{"driver":"file","filename":"/c"}}\
                        """);
    }

    @Test
    void jsonCanGainAMember() {
        OptionProperties json = OptionProperties.parse("{\"driver\":\"qcow2\"}", "");
        assertThat(json.with("file.filename", "/x").render())
                .isEqualTo("{\"driver\":\"qcow2\",\"file\":{\"filename\":\"/x\"}}");
    }

    @Test
    void brokenJsonIsKeptAsText() {
        assertThat(OptionProperties.parse("{\"driver\":", "").render()).isEqualTo("{\"driver\":");
    }

    @Test
    void jsonIdsAreFound() {
        assertThat(option("-blockdev", "{\"node-name\":\"n\"}").id()).contains("n");
        assertThat(option("-device", "{\"driver\":\"vfio-pci\",\"id\":\"h\"}").type())
                .isEqualTo("vfio-pci");
    }
}
