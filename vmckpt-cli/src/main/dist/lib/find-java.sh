# Sets java to the program of a Java 25 or newer, or ends the script that reads this file. The package
# brings its own in the folder runtime; home is the distribution's folder.
# shellcheck shell=sh

# major HOME: the version of the Java in HOME, 0 when there is none. Its release file says it
# without the cost of starting it.
major() {
    version=0
    if [ -x "$1/bin/java" ]; then
        if [ -r "$1/release" ]; then
            version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
        else
            version=$("$1/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
        fi
    fi
    echo "${version:-0}"
}

find_java() {
    on_path=$(command -v java || true)
    for candidate in \
        "${JAVA_HOME:-}" \
        "${on_path:+$(dirname -- "$(dirname -- "$(readlink -f -- "$on_path")")")}" \
        /usr/lib/jvm/*; do
        if [ -n "$candidate" ] && [ "$(major "$candidate")" -ge 25 ]; then
            echo "$candidate/bin/java"
            return
        fi
    done
}

if [ -x "${home:?}/runtime/bin/java" ]; then
    java=$home/runtime/bin/java
else
    java=$(find_java)
fi
if [ -z "$java" ]; then
    echo "vmckpt: no Java 25 or newer in JAVA_HOME, on PATH or in /usr/lib/jvm;" \
        "install one, for example from https://adoptium.net, or set JAVA_HOME" >&2
    exit 7
fi
