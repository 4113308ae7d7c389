# Shared by the scripts of this folder: where things are, what is needed, and cleaning up.
# shellcheck shell=bash
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=scripts/$(basename "$0")
required_java=25
# A sourced file sees the arguments of the script that sources it.
original_arguments=("$@")

note() {
    echo "$me: $*" >&2
}

die() {
    note "$@"
    exit 1
}

# require_root WHY: goes on as root, through sudo when it must.
require_root() {
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || die "must run as root, and there is no sudo: it needs root $1"
    note "asks sudo for root: it needs root $1"
    exec sudo --preserve-env=JAVA_HOME,VMCKPT_INSTALL,CI "$repo/$me" "${original_arguments[@]}"
}

# install_missing COMMAND:PACKAGE...: installs the Debian packages of the commands that are missing.
install_missing() {
    local need missing=()
    for need in "$@"; do
        command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...: or says what to install. VMCKPT_INSTALL=no forbids installing.
install_packages() {
    installed_something=true
    if ! command -v apt-get >/dev/null; then
        die "missing: $*; install what provides these Debian packages, then run this again"
    fi
    if [ "$(id -u)" -ne 0 ] || [ "${VMCKPT_INSTALL:-yes}" = no ]; then
        die "missing: $*; run, as root: apt-get install --no-install-recommends $*"
    fi
    note "installs $*"
    local install=(apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@")
    export DEBIAN_FRONTEND=noninteractive
    # Without package lists (a fresh container image) apt knows no package: fetch the lists once.
    "${install[@]}" >/dev/null 2>&1 || { apt-get -qq update && "${install[@]}" >/dev/null; } \
        || die "cannot install $*: see above; is a Debian mirror in reach?"
}
# shellcheck disable=SC2034 # for scripts/quickstart
installed_something=false

# jdk_major HOME: the version of the JDK in HOME, 0 when there is none.
jdk_major() {
    local version=
    if [ -x "$1/bin/javac" ]; then
        if [ -r "$1/release" ]; then
            version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
        else
            version=$("$1/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
        fi
    fi
    echo "${version:-0}"
}

find_jdk() {
    local candidate on_path
    on_path=$(command -v javac || true)
    for candidate in "${JAVA_HOME:-}" \
        "${on_path:+$(dirname "$(dirname "$(readlink -f "$on_path")")")}" /usr/lib/jvm/*; do
        if [ -n "$candidate" ] && [ "$(jdk_major "$candidate")" -ge "$required_java" ]; then
            echo "$candidate"
            return
        fi
    done
}

# Maven runs on the JDK that compiles: its formatter needs a current one.
prepare_maven() {
    local jdk package
    jdk=$(find_jdk)
    if [ -z "$jdk" ]; then
        for package in openjdk-$required_java-jdk-headless temurin-$required_java-jdk; do
            if command -v apt-cache >/dev/null && apt-cache show "$package" >/dev/null 2>&1; then
                install_packages "$package"
                jdk=$(find_jdk)
                break
            fi
        done
    fi
    [ -n "$jdk" ] || die "no JDK $required_java or newer in JAVA_HOME, on PATH or in /usr/lib/jvm;" \
        "get one at https://adoptium.net/temurin/releases, and set JAVA_HOME to its folder"
    export JAVA_HOME=$jdk
    export MAVEN_OPTS="${MAVEN_OPTS:--Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED}"
    install_missing mvn:maven
}

maven() {
    mvn -B -ntp -f "$repo/pom.xml" "$@"
}

# What building and running the test guest needs.
install_guest_needs() {
    install_missing qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils gcc:gcc cpio:cpio lz4:lz4 ip:iproute2 mkfs.ext4:e2fsprogs
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
}

# libvirtd with its driver for QEMU; tests and benches start their own.
install_libvirt() {
    install_missing virsh:libvirt-clients libvirtd:libvirt-daemon
    [ -e /usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so ] \
        || install_packages libvirt-daemon-driver-qemu
}

# The classes of testvm, over what the distribution ships; needs a build before.
testvm_java() {
    "$JAVA_HOME/bin/java" -XX:+UseSerialGC -Xmx512m --enable-native-access=ALL-UNNAMED \
        --sun-misc-unsafe-memory-access=allow \
        -cp "$repo/testvm/target/classes:$repo/testvm/target/test-classes:$repo/vmckpt-cli/target/vmckpt/lib/*:$repo/testvm/target/lib/*" \
        "$@"
}

build_everything() {
    local log status=0
    log=$(mktemp)
    maven -q package -DskipTests >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        rm -f "$log"
        die "the build failed: see above"
    fi
    rm -f "$log"
}

# make_test_root: a temporary folder that holds everything that a run makes. Its path is short, for
# sockets lie in it, and unique, for cleaning up goes by it.
make_test_root() {
    VMCKPT_TEST_ROOT=$(mktemp -d "${TMPDIR:-/tmp}/vmckpt.XXXXXX")
    export VMCKPT_TEST_ROOT
}

# remove_test_root: ends what still runs in the test root, and deletes it.
remove_test_root() {
    local pid mount
    [ -n "${VMCKPT_TEST_ROOT:-}" ] || return 0
    for pid in $(pids_in_test_root); do
        note "ends what was left running: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c 1-100)"
        kill -KILL "$pid" 2>/dev/null || true
    done
    while read -r mount; do
        umount -l "$mount" || true
    done < <(awk -v root="$VMCKPT_TEST_ROOT" '$2 == root || index($2, root "/") == 1 { print $2 }' /proc/mounts | tac)
    rm -rf "$VMCKPT_TEST_ROOT"
    unset VMCKPT_TEST_ROOT
}

# Processes whose arguments name the test root. The root is given to grep on its input, so that grep
# does not find itself.
pids_in_test_root() {
    # shellcheck disable=SC2062 # the input is the pattern
    { grep -lsF -f - /proc/[0-9]*/cmdline <<<"$VMCKPT_TEST_ROOT/" || true; } \
        | sed 's:^/proc/\([0-9]*\)/cmdline$:\1:' | grep -vx "$$" || true
}
