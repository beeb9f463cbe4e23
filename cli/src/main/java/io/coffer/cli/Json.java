package io.coffer.cli;

import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.core.json.JsonFactory;

/** JSON on standard output. */
final class Json {
  private static final JsonFactory FACTORY =
      JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

  private Json() {}

  /** Writes to the stream, which stays open when the generator is closed. */
  static JsonGenerator generator(PrintStream out) {
    return FACTORY.createGenerator(
        ObjectWriteContext.empty(), new OutputStreamWriter(out, StandardCharsets.UTF_8));
  }
}
