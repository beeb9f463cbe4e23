package io.coffer.batch;

import io.coffer.posix.Credentials;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Credentials of MUNGE, the authentication service of clusters, by its programs munge(1) and
 * unmunge(1). A credential says who made it, where and when, and is readable for one user alone.
 *
 * <p>unmunge prints the payload of expired and replayed credentials, too; whether it is fresh is
 * said apart. The variable COFFER_MUNGE_SOCKET names the socket of a daemon that is not the
 * system's.
 */
final class Munge {
  private static final int EXPIRED = 15;
  private static final int REPLAYED = 17;

  private Munge() {}

  /**
   * A credential as it was opened.
   *
   * @param uid who made it
   * @param host where, as {@code name (address)}
   * @param fresh it is neither expired nor seen before on this machine
   */
  record Opened(String payload, int uid, String host, boolean fresh) {}

  /** A credential that only this user can open. */
  static String seal(String payload) throws BatchException {
    return seal(payload, Credentials.uid());
  }

  /** A credential that only one user can open. */
  static String seal(String payload, int uid) throws BatchException {
    List<String> command = command("munge", "--restrict-uid=" + uid, "--ttl=3600");
    Result result = run(command, payload);
    if (result.exit != 0) {
      throw new BatchException("munge: " + result.errors);
    }
    return result.out.strip();
  }

  /** Opens a credential that was made for this user. */
  static Opened open(String credential) throws BatchException {
    Result result = run(command("unmunge"), credential);
    if (result.exit != 0 && result.exit != EXPIRED && result.exit != REPLAYED) {
      throw new BatchException("it cannot be opened by this user on this node: " + result.errors);
    }
    int end = result.out.indexOf("\n\n");
    if (end < 0) {
      throw new BatchException("unmunge answers in a way that is not known");
    }
    Map<String, String> header = new TreeMap<>();
    result
        .out
        .substring(0, end)
        .lines()
        .forEach(line -> {
          int colon = line.indexOf(':');
          if (colon > 0) {
            header.put(line.substring(0, colon), line.substring(colon + 1).strip());
          }
        });
    try {
      return new Opened(
          result.out.substring(end + 2),
          Integer.parseInt(header.getOrDefault("UID", "").replaceFirst(".*\\((\\d+)\\)$", "$1")),
          header.getOrDefault("ENCODE_HOST", ""),
          result.exit == 0);
    } catch (NumberFormatException e) {
      throw new BatchException("unmunge does not say whose credential it is");
    }
  }

  private static List<String> command(String... words) {
    List<String> command = new ArrayList<>(Arrays.asList(words));
    String socket = System.getenv("COFFER_MUNGE_SOCKET");
    if (socket != null) {
      command.add("--socket=" + socket);
    }
    return command;
  }

  /** What a helper program left. */
  record Result(int exit, String out, String errors) {}

  /** Runs a program that takes and gives little. */
  static Result run(List<String> command, String input) throws BatchException {
    try {
      Process process = new ProcessBuilder(command).redirectError(Redirect.PIPE).start();
      try (OutputStream out = process.getOutputStream()) {
        out.write(input.getBytes(StandardCharsets.UTF_8));
      }
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      String errors = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(30, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new BatchException(command.getFirst() + " does not answer");
      }
      return new Result(process.exitValue(), out, errors.strip());
    } catch (IOException e) {
      throw new BatchException(command.getFirst() + " cannot be run: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BatchException("interrupted");
    }
  }
}
