package io.coffer.keyserver.page;

import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.Identity;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Against forged forms: a browser shows its certificate to us also when another site tells it to
 * send something. A form of ours therefore carries a value that only we can make, good for one
 * certificate and one deed, for an hour. The key lives as long as the server runs. Thread-safe.
 */
public final class FormSeal {
  private static final Duration GOOD_FOR = Duration.ofHours(1);

  private final SecretKeySpec key = new SecretKeySpec(RandomBytes.of(32), "HmacSHA256");
  private final Clock clock;

  public FormSeal(Clock clock) {
    this.clock = clock;
  }

  /** The value for a form that is sent to a path. */
  public String make(Identity who, BigInteger serial, String path) {
    return make(who, serial, path, clock.instant().plus(GOOD_FOR).getEpochSecond());
  }

  private String make(Identity who, BigInteger serial, String path, long until) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      String text = until + "\n" + who + "\n" + serial + "\n" + path;
      return until
          + "-"
          + HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks HMAC-SHA-256", e);
    }
  }

  /**
   * Checks the value that came with a form.
   *
   * @throws ProblemException 403 if it is missing, another one's, or too old
   */
  public void check(Identity who, BigInteger serial, String path, String value)
      throws ProblemException {
    if (value.matches("[0-9]{1,18}-[0-9a-f]{64}")) {
      long until = Long.parseLong(value.substring(0, value.indexOf('-')));
      byte[] expected = make(who, serial, path, until).getBytes(StandardCharsets.UTF_8);
      if (MessageDigest.isEqual(expected, value.getBytes(StandardCharsets.UTF_8))
          && clock.instant().getEpochSecond() <= until) {
        return;
      }
    }
    throw ProblemException.forbidden(
        "the form is not one of this server's, or is older than an hour",
        "Nothing was done. Go back to the page, and use its button again.");
  }
}
