package io.coffer.format.fscrypt;

import io.coffer.format.FormatException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The two extended attributes that files and directories of fscrypt trees have on a POSIX store, in
 * the layout of CephFS (fs/ceph/crypto.h): little-endian.
 *
 * <pre>
 * user.fscrypt.auth   4 version 1, 4 length 40, 40 context      files and directories
 * user.fscrypt.file   8 real size in bytes                      regular files
 * </pre>
 */
public final class FscryptStoredAttributes {
  private static final byte[] CONTEXT = "user.fscrypt.auth".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] SIZE = "user.fscrypt.file".getBytes(StandardCharsets.US_ASCII);
  private static final int VERSION = 1;
  private static final int HEADER_BYTES = 8;
  private static final int SIZE_BYTES = 8;

  private FscryptStoredAttributes() {}

  /** Name of the attribute with the context. */
  public static byte[] contextName() {
    return CONTEXT.clone();
  }

  /** Name of the attribute with the real size. */
  public static byte[] sizeName() {
    return SIZE.clone();
  }

  /** Does an attribute of this name belong to the format? */
  public static boolean isOne(byte[] name) {
    return Arrays.equals(name, CONTEXT) || Arrays.equals(name, SIZE);
  }

  /** The attribute's value for a context. */
  public static byte[] context(FscryptContext context) {
    return ByteBuffer.allocate(HEADER_BYTES + FscryptContext.BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(VERSION)
        .putInt(FscryptContext.BYTES)
        .put(context.encode())
        .array();
  }

  /**
   * The context of an attribute's value.
   *
   * @throws FormatException if it is none
   */
  public static FscryptContext context(byte[] value) throws FormatException {
    return context(value, null);
  }

  /**
   * {@link #context(byte[])}, quickly if the policy is one that is known.
   *
   * @param like another context, whose policy the new one shares if it is the same
   */
  public static FscryptContext context(byte[] value, @Nullable FscryptContext like)
      throws FormatException {
    if (value.length < HEADER_BYTES) {
      throw new FormatException("the attribute with its encryption context is too short");
    }
    ByteBuffer bytes = ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.getInt() != VERSION || bytes.getInt() != value.length - HEADER_BYTES) {
      throw new FormatException("the attribute with its encryption context is damaged");
    }
    return FscryptContext.decode(Arrays.copyOfRange(value, HEADER_BYTES, value.length), like);
  }

  /** The attribute's value for a real size. */
  public static byte[] size(long size) {
    return ByteBuffer.allocate(SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(size).array();
  }

  /** The real size of an attribute's value; -1 if there is none or it is damaged. */
  public static long size(byte @Nullable [] value) {
    if (value == null || value.length != SIZE_BYTES) {
      return -1;
    }
    return Math.max(-1, ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).getLong());
  }
}
