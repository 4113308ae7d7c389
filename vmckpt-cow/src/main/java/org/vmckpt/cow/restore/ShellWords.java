package org.vmckpt.cow.restore;

import java.util.ArrayList;
import java.util.List;
import org.vmckpt.core.UnsupportedException;

/** Splits a text into words as a shell does: spaces part, quotes and backslashes keep together. */
final class ShellWords {
    private ShellWords() {}

    static List<String> split(String text) throws UnsupportedException {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean inWord = false;
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean escapes = c == '\\' && quote != '\'' && i + 1 < text.length();
            if (escapes) {
                word.append(text.charAt(++i));
                inWord = true;
            } else if (quote != 0) {
                if (c == quote) {
                    quote = 0;
                } else {
                    word.append(c);
                }
            } else if (c == '\'' || c == '"') {
                quote = c;
                inWord = true;
            } else if (!Character.isWhitespace(c)) {
                word.append(c);
                inWord = true;
            } else if (inWord) {
                words.add(word.toString());
                word.setLength(0);
                inWord = false;
            }
        }
        if (quote != 0) {
            throw new UnsupportedException("argument \"%s\" has an open %s".formatted(text, quote));
        }
        if (inWord) {
            words.add(word.toString());
        }
        return words;
    }
}
