package org.vmckpt.agent.api;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.vmckpt.core.NotFoundException;

/** The page for a browser, which shows what the API says. */
final class WebPage {
    private static final String FOLDER = "page/";

    private static final Map<String, String> CONTENT_TYPES =
            Map.of(
                    "page.js", "text/javascript; charset=utf-8",
                    "page.css", "text/css; charset=utf-8",
                    "chart.js", "text/javascript; charset=utf-8");

    // Where the dependency of this version has it.
    private static final String CHART_LIBRARY =
            "/META-INF/resources/webjars/chart.js/4.4.9/dist/chart.umd.js";

    private WebPage() {}

    static void addTo(Routes routes) {
        routes.add("GET", "/", _ -> answer("text/html; charset=utf-8", FOLDER + "index.html"))
                .add("GET", "/page/{file}", WebPage::file);
    }

    private static Answer file(Call call) throws NotFoundException {
        String name = call.parameter("file");
        String contentType = CONTENT_TYPES.get(name);
        if (contentType == null) {
            throw new NotFoundException("find " + name + ": the page has no such file");
        }
        return answer(contentType, name.equals("chart.js") ? CHART_LIBRARY : FOLDER + name);
    }

    private static Answer answer(String contentType, String resource) {
        try (InputStream in = WebPage.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("this build has no " + resource);
            }
            return Answer.text(contentType, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
