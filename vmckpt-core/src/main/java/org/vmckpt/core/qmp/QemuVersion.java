package org.vmckpt.core.qmp;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * The version that QEMU reports in its greeting.
 *
 * @param packageName the packager's version, may be empty
 */
public record QemuVersion(int major, int minor, int micro, String packageName) {

    static QemuVersion of(JsonNode version) {
        JsonNode qemu = version.path("qemu");
        return new QemuVersion(
                qemu.path("major").asInt(),
                qemu.path("minor").asInt(),
                qemu.path("micro").asInt(),
                version.path("package").asText(""));
    }

    /** For example {@code 7.2.22}. */
    public String number() {
        return major + "." + minor + "." + micro;
    }

    public boolean isAtLeast(int wantedMajor, int wantedMinor) {
        return major > wantedMajor || (major == wantedMajor && minor >= wantedMinor);
    }
}
