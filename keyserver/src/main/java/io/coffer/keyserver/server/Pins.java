package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** Where the PIN of a token comes from: a file, a command, or whoever is there to type it. */
public final class Pins {
  private static final int MAX_BYTES = 256;
  private static final int COMMAND_SECONDS = 60;

  /** Asks for the PIN if neither a file nor a command gives it. */
  public interface Prompt {
    /** For a server that runs unattended. */
    Prompt NOBODY =
        () -> {
          throw new SealException(
              "the token needs its PIN, and neither a file nor a command gives it",
              "Start the server at a terminal, which is asked for it, or seal it again with"
                  + " --pin-file or --pin-command.");
        };

    SecretBytes ask() throws SealException, IOException;
  }

  private Pins() {}

  /** The PIN. */
  public static SecretBytes get(Hardware.Pkcs11 token, Prompt prompt)
      throws SealException, IOException {
    String file = token.pinFile();
    String command = token.pinCommand();
    if (file != null) {
      try (InputStream in = Files.newInputStream(Path.of(file))) {
        return firstLine(in, file);
      } catch (NoSuchFileException e) {
        throw new SealException("the file with the PIN, " + file + ", does not exist", "Write it.");
      }
    }
    return command != null ? run(command) : prompt.ask();
  }

  private static SecretBytes run(String command) throws SealException, IOException {
    Process process =
        new ProcessBuilder("/bin/sh", "-c", command)
            .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (InputStream in = process.getInputStream()) {
      SecretBytes pin;
      try {
        pin = firstLine(in, "the command for the PIN");
      } catch (SealException e) {
        throw exit(process) == 0 ? e : failed(process);
      }
      if (exit(process) != 0) {
        pin.close();
        throw failed(process);
      }
      return pin;
    }
  }

  private static int exit(Process process) throws IOException {
    try {
      if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IOException("the command for the PIN does not end");
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      process.destroyForcibly();
      throw new IOException("interrupted while the command for the PIN runs", e);
    }
  }

  private static SealException failed(Process process) {
    return new SealException(
        "the command for the PIN ended with " + process.exitValue(),
        "Run it by hand to see why; it stands in server.json.");
  }

  private static SecretBytes firstLine(InputStream in, String origin)
      throws SealException, IOException {
    byte[] line = new byte[MAX_BYTES];
    try {
      int length = 0;
      for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
        if (length == line.length) {
          throw new SealException("the PIN from " + origin + " is too long");
        }
        line[length++] = (byte) b;
      }
      in.transferTo(java.io.OutputStream.nullOutputStream());
      if (length == 0) {
        throw new SealException(origin + " gives no PIN", "It belongs on the first line.");
      }
      return SecretBytes.take(Arrays.copyOf(line, length));
    } finally {
      Arrays.fill(line, (byte) 0);
    }
  }
}
