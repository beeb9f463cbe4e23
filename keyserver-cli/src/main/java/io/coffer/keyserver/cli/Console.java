package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where a command talks to its user: results on standard output, everything else on standard error,
 * secrets at the terminal, without echo, or from a file.
 */
record Console(PrintStream out, PrintStream err) {
  private static final int MAX_SECRET_BYTES = 16 << 10;
  private static final int MAX_KEY_BYTES = 20_000;

  static Console standard() {
    return new Console(
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
  }

  void say(String text) {
    err.println("coffer: " + text);
  }

  /** Prints secret text, which never becomes a String, with a line end. */
  void printSecret(byte[] text) {
    out.write(text, 0, text.length);
    out.println();
    out.flush();
  }

  /**
   * The first line of a file ("-" is standard input), or what is typed.
   *
   * @param twice ask again, to notice a slip
   */
  SecretBytes secret(@Nullable Path file, String prompt, boolean twice)
      throws IOException, Failure {
    if (file != null) {
      try (InputStream in = file.toString().equals("-") ? System.in : Files.newInputStream(file)) {
        return firstLine(in, file);
      } catch (NoSuchFileException e) {
        throw new Failure(
            Failure.OTHER,
            file + ", whose first line is to be the secret, does not exist",
            "Correct the path, write the file, or leave the option out to be asked.");
      }
    }
    SecretBytes first = typed(prompt);
    if (twice) {
      try (SecretBytes second = typed("Repeat: ")) {
        if (!first.matches(second)) {
          first.close();
          throw new Failure(Failure.OTHER, "the two are not the same", "Run the command again.");
        }
      }
    }
    return first;
  }

  /** All bytes of a file ("-" is standard input), as many as a key can have. */
  SecretBytes key(Path file) throws IOException, Failure {
    byte[] bytes = new byte[MAX_KEY_BYTES + 1];
    try (InputStream in = file.toString().equals("-") ? System.in : Files.newInputStream(file)) {
      int length = in.readNBytes(bytes, 0, bytes.length);
      if (length == 0 || length > MAX_KEY_BYTES) {
        throw new Failure(
            Failure.OTHER,
            file + (length == 0 ? " is empty" : " is too long for a key"),
            "A key has 1 to " + MAX_KEY_BYTES + " bytes.");
      }
      return SecretBytes.take(Arrays.copyOf(bytes, length));
    } catch (NoSuchFileException e) {
      throw new Failure(
          Failure.OTHER, file + ", which is to hold the key, does not exist", "Correct the path.");
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private static SecretBytes firstLine(InputStream in, Path file) throws IOException, Failure {
    byte[] line = new byte[MAX_SECRET_BYTES + 1];
    int length = 0;
    try {
      for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
        if (length == line.length) {
          throw new Failure(
              Failure.OTHER,
              "the first line of " + file + " is too long",
              "A passphrase has at most " + MAX_SECRET_BYTES + " bytes.");
        }
        line[length++] = (byte) b;
      }
      if (length > 0 && line[length - 1] == '\r') {
        length--;
      }
      if (length == 0) {
        throw new Failure(
            Failure.OTHER, "the first line of " + file + " is empty", "Write the secret there.");
      }
      byte[] exact = Arrays.copyOf(line, length);
      return SecretBytes.take(exact);
    } finally {
      Arrays.fill(line, (byte) 0);
    }
  }

  // JDK 25 returns null again where there is no terminal (JDK-8351435).
  @SuppressWarnings("SystemConsoleNull")
  private static SecretBytes typed(String prompt) throws Failure {
    java.io.Console terminal = System.console();
    char[] typed =
        terminal != null && terminal.isTerminal() ? terminal.readPassword("%s", prompt) : null;
    if (typed == null) {
      throw new Failure(
          Failure.USAGE,
          "there is no terminal to ask for the secret",
          "Name a file that holds it, or '-' for standard input: --passphrase-file FILE, or as"
              + " --help says.");
    }
    ByteBuffer bytes = ByteBuffer.allocate(4 * typed.length);
    StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(typed), bytes, true);
    byte[] exact = Arrays.copyOf(bytes.array(), bytes.position());
    Arrays.fill(bytes.array(), (byte) 0);
    Arrays.fill(typed, '\0');
    if (exact.length == 0) {
      throw new Failure(Failure.OTHER, "nothing was typed", "Run the command again.");
    }
    return SecretBytes.take(exact);
  }
}
