package io.coffer.keyserver.page;

import java.nio.charset.StandardCharsets;

/** A page, written. */
public record Document(String html) {
  public byte[] bytes() {
    return html.getBytes(StandardCharsets.UTF_8);
  }
}
