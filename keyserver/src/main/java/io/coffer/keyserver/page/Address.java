package io.coffer.keyserver.page;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;

/** An address of a page with a query, its values escaped. Immutable. */
record Address(String text) {
  /** Adds a part of the query, unless it is empty. */
  Address with(String name, String value) {
    return value.isEmpty()
        ? this
        : new Address(
            text
                + (text.indexOf('?') < 0 ? '?' : '&')
                + name
                + '='
                + URLEncoder.encode(value, StandardCharsets.UTF_8));
  }
}
