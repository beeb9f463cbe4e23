package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Gives a password of 1 to {@value #MAX_BYTES} bytes: the bytes of a line, without its newline, in
 * whatever encoding they came. How to ask at a terminal is the business of a user interface.
 */
@FunctionalInterface
public interface PasswordSource {
  /** The longest password. */
  int MAX_BYTES = 2048;

  /**
   * Reads the password; the caller closes it.
   *
   * @throws VolumeException PASSWORD_EMPTY, PASSWORD_TOO_LONG or PASSWORD_UNREADABLE
   */
  SecretBytes read() throws VolumeException;

  /** The first lines of files, joined; what follows them is ignored. */
  static PasswordSource files(List<Path> files) {
    return () -> {
      try (Line all = new Line("the password of the password files")) {
        for (Path file : files) {
          try (InputStream in = Files.newInputStream(file);
              Line line = new Line("the first line of password file " + file)) {
            line.readFrom(in);
            line.checkNotEmpty();
            all.append(line);
          } catch (IOException e) {
            throw unreadable("cannot read password file " + file, e);
          }
        }
        return all.toSecret();
      }
    };
  }

  /**
   * The first line that a program prints. Its standard error goes where ours goes, its standard
   * input is empty.
   *
   * @param command program and arguments; a single string is split at its spaces, so that {@code
   *     "pass show volume"} works
   */
  static PasswordSource command(List<String> command) {
    List<String> words =
        command.size() == 1 ? Arrays.asList(command.get(0).split(" ", -1)) : List.copyOf(command);
    return () -> {
      String what = "password command " + words.get(0);
      try (Line line = new Line("the password of " + what)) {
        Process process =
            new ProcessBuilder(words)
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (InputStream out = process.getInputStream()) {
          line.readFrom(out);
        } catch (VolumeException e) {
          process.destroy();
          throw e;
        }
        int status = process.waitFor();
        if (status != 0) {
          throw new VolumeException(
              Problem.PASSWORD_UNREADABLE, what + " failed with exit status " + status);
        }
        return line.toSecret();
      } catch (IOException e) {
        throw unreadable("cannot run " + what, e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw unreadable("interrupted while waiting for " + what, e);
      }
    };
  }

  /**
   * One line of a stream, read byte by byte, so that what follows is left for whoever reads next.
   * The stream must not read ahead, as {@link System#in} does; it is not closed.
   *
   * @param description names the stream in messages
   */
  static PasswordSource stream(InputStream stream, String description) {
    return () -> {
      try (Line line = new Line("the password from " + description)) {
        line.readFrom(stream);
        return line.toSecret();
      } catch (IOException e) {
        throw unreadable("cannot read the password from " + description, e);
      }
    };
  }

  private static VolumeException unreadable(String message, Exception cause) {
    return new VolumeException(
        Problem.PASSWORD_UNREADABLE, message + ": " + cause.getMessage(), null, cause);
  }

  /** A line being read, wiped on close. */
  final class Line implements AutoCloseable {
    private final String what;
    private final byte[] bytes = new byte[MAX_BYTES];
    private int length;

    private Line(String what) {
      this.what = what;
    }

    private void readFrom(InputStream in) throws IOException, VolumeException {
      for (int b = in.read(); b != -1 && b != '\n'; b = in.read()) {
        add((byte) b);
      }
    }

    private void append(Line other) throws VolumeException {
      for (int i = 0; i < other.length; i++) {
        add(other.bytes[i]);
      }
    }

    private void add(byte b) throws VolumeException {
      if (length == MAX_BYTES) {
        throw new VolumeException(
            Problem.PASSWORD_TOO_LONG, what + " is longer than " + MAX_BYTES + " bytes");
      }
      bytes[length++] = b;
    }

    private void checkNotEmpty() throws VolumeException {
      if (length == 0) {
        throw new VolumeException(Problem.PASSWORD_EMPTY, what + " is empty");
      }
    }

    private SecretBytes toSecret() throws VolumeException {
      checkNotEmpty();
      return SecretBytes.take(Arrays.copyOf(bytes, length));
    }

    @Override
    public void close() {
      Arrays.fill(bytes, (byte) 0);
    }
  }
}
