package io.coffer.keyserver.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

/** The server's log as JSON lines. */
class JsonLinesTest {
  private static JsonObject line(LogRecord entry) throws Exception {
    String text = new JsonLines().format(entry);
    assertEquals(text.length() - 1, text.indexOf('\n'), "one line: " + text);
    return JsonObject.parse(text.getBytes(UTF_8), Set.of());
  }

  @Test
  void saysWhenWhoAndWhat() throws Exception {
    LogRecord entry = new LogRecord(Level.SEVERE, "{0} failed: {1}");
    entry.setParameters(new Object[] {"key.create", "disk full"});
    entry.setLoggerName("io.coffer.keyserver");
    JsonObject line = line(entry);
    assertEquals("key.create failed: disk full", line.string("message"));
    assertEquals("SEVERE", line.string("level"));
    assertEquals("io.coffer.keyserver", line.string("logger"));
    assertEquals(entry.getInstant().toString(), line.string("time"));
    assertFalse(line.has("error"));
  }

  @Test
  void whatAskersSendCannotForgeALine() throws Exception {
    LogRecord entry = new LogRecord(Level.WARNING, "path /x\n{\"level\":\"INFO\"}\"\u0000");
    assertTrue(line(entry).string("message").startsWith("path /x\n{"));
  }

  @Test
  void anErrorHasItsTrace() throws Exception {
    LogRecord entry = new LogRecord(Level.SEVERE, "a request failed");
    entry.setThrown(new IOException("gone"));
    assertTrue(line(entry).string("error").contains("JsonLinesTest.anErrorHasItsTrace"));
  }
}
