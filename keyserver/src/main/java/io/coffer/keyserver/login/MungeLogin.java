package io.coffer.keyserver.login;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Credentials of MUNGE, which vouches for a uid within a cluster. The credential's payload must be
 * {@code coffer PRESENTER}, for example {@code coffer endpoint:node1}, so that one made for another
 * purpose or another node is of no use, and it must be restricted to the server's own uid, so that
 * nobody else in the cluster can decode it. MUNGE's own words about expiry and replay are not
 * relied upon: the times in the credential are compared with this server's clock, and a credential
 * is good once.
 *
 * <p>Decoding is left to {@code unmunge}, to which the credential goes on standard input.
 */
public final class MungeLogin implements Login {
  /** How much two nodes' clocks may differ. */
  static final Duration SKEW = Duration.ofSeconds(60);

  private static final int MAX_BYTES = 4096;
  private static final int MAX_OUTPUT_BYTES = 64 << 10;
  private static final int MAX_PROCESSES = 8;
  private static final long TIMEOUT_SECONDS = 10;

  private final String prefix;
  private final @Nullable Path socket;
  private final Duration longest;
  private final Clock clock;
  private final Semaphore turns = new Semaphore(MAX_PROCESSES);

  /**
   * @param prefix of the subjects' names: {@code uid-} makes uid 1000 {@code client:uid-1000}
   * @param socket of munged; null for the usual one
   * @param longest life of a credential that is accepted
   */
  public MungeLogin(String prefix, @Nullable Path socket, Duration longest, Clock clock) {
    this.prefix = prefix;
    this.socket = socket;
    this.longest = longest;
    this.clock = clock;
  }

  /** Who a uid of the cluster is here. */
  public Identity subject(long uid) throws ProblemException {
    return Refusal.client(prefix, Long.toString(uid));
  }

  @Override
  public String kind() {
    return "munge";
  }

  @Override
  public Proven check(String credential, Identity presenter) throws ProblemException {
    if (credential.length() > MAX_BYTES || !credential.matches("MUNGE:[A-Za-z0-9+/=]+:")) {
      throw Refusal.of("this is no munge credential", "Send what 'munge' printed, on one line.");
    }
    Decoded decoded = decode(credential);
    Map<String, String> facts = decoded.facts();
    long uid;
    Instant encoded;
    Duration life;
    try {
      uid = Long.parseLong(fact(facts, "UID"));
      encoded = Instant.ofEpochSecond(Long.parseLong(fact(facts, "ENCODE_TIME")));
      life = Duration.ofSeconds(Long.parseLong(fact(facts, "TTL")));
    } catch (NumberFormatException e) {
      throw Refusal.unavailable("what unmunge says is not understood");
    }
    if (!facts.containsKey("UID_RESTRICTION")) {
      throw Refusal.of(
          "the credential can be decoded by everybody in the cluster",
          "Make it with 'munge --restrict-uid' and the uid that the key server runs as.");
    }
    if (!Arrays.equals(decoded.payload(), ("coffer " + presenter).getBytes(US_ASCII))) {
      throw Refusal.of(
          "the credential was not made for this",
          "Its payload must be 'coffer " + presenter + "', without a line end.");
    }
    Instant now = clock.instant();
    Instant expires = encoded.plus(life.compareTo(longest) < 0 ? life : longest);
    if (!now.isBefore(expires)) {
      throw Refusal.of("the credential has expired", "Make a new one with 'munge'.");
    }
    if (encoded.isAfter(now.plus(SKEW))) {
      throw Refusal.of(
          "the credential was made in the future", "Set the clocks of both machines (NTP).");
    }
    return new Proven(subject(uid), expires, List.of(), true);
  }

  private static String fact(Map<String, String> facts, String name) throws ProblemException {
    String value = facts.get(name);
    if (value == null) {
      throw Refusal.unavailable("what unmunge says is not understood");
    }
    return value;
  }

  private record Decoded(Map<String, String> facts, byte[] payload) {}

  private Decoded decode(String credential) throws ProblemException {
    Path payload = null;
    Process process = null;
    boolean turn = false;
    try {
      turn = turns.tryAcquire(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      if (!turn) {
        throw Refusal.unavailable("too many munge credentials are being decoded");
      }
      payload = Files.createTempFile("coffer-munge", null);
      List<String> command =
          new ArrayList<>(List.of("unmunge", "--numeric", "--metadata=-", "--output=" + payload));
      if (socket != null) {
        command.add("--socket=" + socket);
      }
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      try (OutputStream in = process.getOutputStream()) {
        in.write(credential.getBytes(US_ASCII));
      }
      byte[] output = process.getInputStream().readNBytes(MAX_OUTPUT_BYTES);
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        throw Refusal.unavailable("munge does not answer");
      }
      if (process.exitValue() != 0) {
        throw refused(process.exitValue());
      }
      return new Decoded(facts(new String(output, US_ASCII)), Files.readAllBytes(payload));
    } catch (IOException e) {
      throw Refusal.unavailable("unmunge cannot be run on the key server");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.unavailable("the server is stopping");
    } finally {
      if (process != null) {
        process.destroyForcibly();
      }
      delete(payload);
      if (turn) {
        turns.release();
      }
    }
  }

  /** See munge_err_t in munge.h: the exit code of unmunge is the same number. */
  private static ProblemException refused(int code) {
    return switch (code) {
      case 15 -> Refusal.of("the credential has expired", "Make a new one with 'munge'.");
      case 16 ->
          Refusal.of(
              "the credential was made in the future", "Set the clocks of both machines (NTP).");
      case 17 -> Refusal.of("the credential was used before", "Make a new one with 'munge'.");
      case 18, 19 ->
          Refusal.of(
              "the credential is for another uid than the key server's",
              "Make it with 'munge --restrict-uid' and the uid that the key server runs as.");
      case 6 -> Refusal.unavailable("the key server cannot reach munged");
      default ->
          Refusal.of(
              "the munge credential is not accepted",
              "Make a new one, on a machine with the same munge key as the key server's.");
    };
  }

  private static Map<String, String> facts(String text) {
    Map<String, String> facts = new HashMap<>();
    for (String line : text.split("\n", -1)) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        facts.put(line.substring(0, colon), line.substring(colon + 1).strip());
      }
    }
    return facts;
  }

  private static void delete(@Nullable Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      System.getLogger("io.coffer.keyserver")
          .log(System.Logger.Level.WARNING, "cannot delete {0}", file);
    }
  }
}
