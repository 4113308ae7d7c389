package org.vmckpt.agent.config;

import java.util.List;

/** A configuration that is not used, with all that is wrong in it, one line each. */
public final class ConfigException extends Exception {
    private static final long serialVersionUID = 1L;

    ConfigException(List<String> problems) {
        super(String.join("\n", problems));
    }
}
