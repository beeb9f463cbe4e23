package io.coffer.keyserver.seal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * One operator's share of a quorum, as a line of text: {@code
 * coffer-share-1-SET-THRESHOLD-NUMBER-VALUE-CHECK}. SET (8 hex digits) tells quorums apart, VALUE
 * (64 hex digits) is the share, CHECK (8 hex digits) is the beginning of the SHA-256 of all before
 * it, so that a slip of the pen is found at once. The text is as secret as the share: it is kept in
 * arrays, which {@link #close} wipes.
 */
public final class Share implements AutoCloseable {
  private static final String PREFIX = "coffer-share-1-";
  private static final int VALUE_BYTES = 32;
  private static final int MAX_TEXT_BYTES = 160;

  private final String set;
  private final int threshold;
  private final Shamir.Point point;

  Share(String set, int threshold, Shamir.Point point) {
    this.set = set;
    this.threshold = threshold;
    this.point = point;
  }

  /** Which quorum the share belongs to. */
  public String set() {
    return set;
  }

  /** How many shares are needed. */
  public int threshold() {
    return threshold;
  }

  /** Number of the share, from 1. */
  public int number() {
    return point.x();
  }

  Shamir.Point point() {
    return point;
  }

  /** The text, without a line end; the caller wipes it. */
  public byte[] text() {
    byte[] head =
        (PREFIX + set + "-" + threshold + "-" + number() + "-").getBytes(StandardCharsets.US_ASCII);
    byte[] body = Arrays.copyOf(head, head.length + 2 * VALUE_BYTES);
    HexFormat hex = HexFormat.of();
    for (int i = 0; i < VALUE_BYTES; i++) {
      body[head.length + 2 * i] = (byte) hex.toHighHexDigit(point.y()[i]);
      body[head.length + 2 * i + 1] = (byte) hex.toLowHexDigit(point.y()[i]);
    }
    byte[] check = ("-" + check(body)).getBytes(StandardCharsets.US_ASCII);
    byte[] text = ByteBuffer.allocate(body.length + check.length).put(body).put(check).array();
    Arrays.fill(body, (byte) 0);
    return text;
  }

  /**
   * Parses a text; white space around it is ignored. The caller wipes the array.
   *
   * @throws SealException if it is no share or was copied wrongly
   */
  public static Share parse(byte[] text) throws SealException {
    int start = 0;
    int end = text.length;
    while (start < end && text[start] <= ' ') {
      start++;
    }
    while (end > start && text[end - 1] <= ' ') {
      end--;
    }
    byte[] line = Arrays.copyOfRange(text, start, end);
    try {
      return parseLine(line);
    } finally {
      Arrays.fill(line, (byte) 0);
    }
  }

  private static Share parseLine(byte[] line) throws SealException {
    byte[] prefix = PREFIX.getBytes(StandardCharsets.US_ASCII);
    if (line.length > MAX_TEXT_BYTES
        || line.length < prefix.length
        || !Arrays.equals(line, 0, prefix.length, prefix, 0, prefix.length)) {
      throw new SealException(
          "this is no share; a share begins with '" + PREFIX + "'",
          "Give the whole line that was handed out.");
    }
    int[] dashes = new int[5];
    int found = 0;
    for (int i = prefix.length - 1; i < line.length; i++) {
      if (line[i] == '-') {
        if (found == dashes.length) {
          throw damaged();
        }
        dashes[found++] = i;
      }
    }
    if (found != dashes.length || dashes[4] - dashes[3] - 1 != 2 * VALUE_BYTES) {
      throw damaged();
    }
    byte[] body = Arrays.copyOf(line, dashes[4]);
    String check = ascii(line, dashes[4] + 1, line.length);
    boolean right = check.equals(check(body));
    Arrays.fill(body, (byte) 0);
    if (!right) {
      throw damaged();
    }
    byte[] value = new byte[VALUE_BYTES];
    for (int i = 0; i < VALUE_BYTES; i++) {
      int at = dashes[3] + 1 + 2 * i;
      if (!HexFormat.isHexDigit(line[at]) || !HexFormat.isHexDigit(line[at + 1])) {
        throw damaged();
      }
      value[i] =
          (byte) (HexFormat.fromHexDigit(line[at]) << 4 | HexFormat.fromHexDigit(line[at + 1]));
    }
    int threshold = number(ascii(line, dashes[1] + 1, dashes[2]));
    int x = number(ascii(line, dashes[2] + 1, dashes[3]));
    return new Share(ascii(line, dashes[0] + 1, dashes[1]), threshold, new Shamir.Point(x, value));
  }

  private static int number(String text) throws SealException {
    if (!text.matches("[1-9][0-9]{0,2}") || Integer.parseInt(text) > Shamir.MAX_SHARES) {
      throw damaged();
    }
    return Integer.parseInt(text);
  }

  private static String ascii(byte[] bytes, int from, int to) {
    return new String(bytes, from, to - from, StandardCharsets.US_ASCII);
  }

  private static SealException damaged() {
    return new SealException("the share was copied wrongly; compare it with the original");
  }

  private static String check(byte[] body) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body), 0, 4);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** Wipes the share. */
  @Override
  public void close() {
    Arrays.fill(point.y(), (byte) 0);
  }

  @Override
  public String toString() {
    return "Share[" + set + ", " + number() + "]";
  }
}
