package io.coffer.keyserver.cli;

import picocli.CommandLine.Command;

/** {@code coffer ca}. */
@Command(
    name = "ca",
    description = "Certificates for the key service: a small authority of one's own.")
public final class CaEntry extends Entry {
  @Override
  Object commands() {
    return new CaCommand();
  }
}
