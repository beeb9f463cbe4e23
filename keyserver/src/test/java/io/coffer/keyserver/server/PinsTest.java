package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.seal.SealException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PinsTest {
  @TempDir Path directory;

  private static String pin(@Nullable Path file, @Nullable String command) throws Exception {
    Hardware.Pkcs11 token =
        new Hardware.Pkcs11("/none.so", file == null ? null : file.toString(), command);
    try (SecretBytes pin = Pins.get(token, Pins.Prompt.NOBODY)) {
      return pin.<String, RuntimeException>read(bytes -> new String(bytes, UTF_8));
    }
  }

  private static void refused(String because, @Nullable Path file, @Nullable String command) {
    SealException e = assertThrows(SealException.class, () -> pin(file, command));
    assertTrue(String.valueOf(e.getMessage()).contains(because), e::toString);
  }

  @Test
  void areTheFirstLineOfAFileOrOfWhatACommandPrints() throws Exception {
    assertEquals("12 34", pin(Files.writeString(directory.resolve("pin"), "12 34\nmore"), null));
    assertEquals("12 34", pin(null, "printf '12 34\\nmore'"));
  }

  @Test
  void thatAreNotThereAreSaidToBeMissing() throws Exception {
    refused("does not exist", directory.resolve("none"), null);
    refused("gives no PIN", Files.writeString(directory.resolve("empty"), "\n"), null);
    refused("too long", Files.writeString(directory.resolve("long"), "1".repeat(300)), null);
    refused("ended with 3", null, "echo 1234; exit 3");
    refused("ended with 127", null, "/no/such/program");
    refused("gives no PIN", null, "true");
    refused("neither a file nor a command", null, null);
  }
}
