package io.coffer.keyserver.cli;

import io.coffer.keyserver.json.JsonObject;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * The server's log for programs: one JSON object a line, {@code
 * {"time","level","logger","message"}} and {@code "error"}, a stack trace, if there is one.
 * Whatever a message holds, it is one line.
 */
final class JsonLines extends Formatter {
  /** From now on, all that this process logs is written so. */
  static void use() {
    for (Handler handler : Logger.getLogger("").getHandlers()) {
      handler.setFormatter(new JsonLines());
    }
  }

  @Override
  public String format(LogRecord entry) {
    JsonObject line =
        new JsonObject()
            .put("time", entry.getInstant().toString())
            .put("level", entry.getLevel().getName())
            .put("logger", entry.getLoggerName())
            .put("message", formatMessage(entry));
    Throwable thrown = entry.getThrown();
    if (thrown != null) {
      StringWriter trace = new StringWriter();
      thrown.printStackTrace(new PrintWriter(trace));
      line.put("error", trace.toString());
    }
    return new String(line.toBytes(), StandardCharsets.UTF_8) + "\n";
  }
}
