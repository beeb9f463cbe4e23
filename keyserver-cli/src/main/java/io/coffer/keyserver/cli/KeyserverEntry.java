package io.coffer.keyserver.cli;

import picocli.CommandLine.Command;

/** {@code coffer keyserver}. */
@Command(
    name = "keyserver",
    description = "The key service: keys in lock boxes, opened only by registered endpoints.")
public final class KeyserverEntry extends Entry {
  @Override
  Object commands() {
    return new KeyserverCommand();
  }
}
