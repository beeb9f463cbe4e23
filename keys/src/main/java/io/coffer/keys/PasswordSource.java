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
      try (PasswordLine all = new PasswordLine("the password of the password files")) {
        for (Path file : files) {
          try (InputStream in = Files.newInputStream(file);
              PasswordLine line = new PasswordLine("the first line of password file " + file)) {
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
      try (PasswordLine line = new PasswordLine("the password of " + what)) {
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
      try (PasswordLine line = new PasswordLine("the password from " + description)) {
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
}
