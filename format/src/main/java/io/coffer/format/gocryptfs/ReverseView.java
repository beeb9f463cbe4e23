package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.format.ContentCipher;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.StrictBase64;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * How a plain tree looks encrypted. Nothing is random: each IV, file id and nonce is {@code
 * SHA-256(path || 0 || purpose)[0..16]} of the encrypted path from the root, without a leading
 * slash (pathiv/pathiv.go), so that the same tree is always the same ciphertext. Thread-safe.
 */
public final class ReverseView {
  private static final int DERIVED_BYTES = 16;
  private static final byte[] DIRECTORY_IV = ascii("DIRIV");
  private static final byte[] FILE_ID = ascii("FILEID");
  private static final byte[] FIRST_NONCE = ascii("BLOCK0IV");
  private static final byte[] SYMLINK_NONCE = ascii("SYMLINKIV");
  private static final byte[] XATTR_NONCE = ascii("XATTRIV");

  private final GocryptfsFormat format;
  private final Aead aead;
  private final StrictBase64 base64;
  private final SealedValues sealedValues;
  private final boolean plaintextNames;
  private final boolean directoryIvs;

  ReverseView(
      GocryptfsFormat format,
      Aead aead,
      StrictBase64 base64,
      SealedValues sealedValues,
      boolean plaintextNames,
      boolean directoryIvs) {
    this.format = format;
    this.aead = aead;
    this.base64 = base64;
    this.sealedValues = sealedValues;
    this.plaintextNames = plaintextNames;
    this.directoryIvs = directoryIvs;
  }

  /**
   * One file as it looks encrypted.
   *
   * @param header its first bytes, unless it is empty
   * @param cipher seals its blocks, always to the same bytes
   */
  public record SealedFile(byte[] header, ContentCipher cipher) {}

  /** The content of the context file of the directory at an encrypted path; empty if none. */
  public byte[] directoryContext(byte[] storedPath) {
    return directoryIvs ? derive(storedPath, DIRECTORY_IV) : new byte[0];
  }

  /** The names in the directory at an encrypted path. */
  public NameCodec names(byte[] storedPath) {
    try {
      return format.names(directoryContext(storedPath));
    } catch (FormatException e) {
      throw new IllegalStateException("a derived IV is damaged", e);
    }
  }

  /** The file at an encrypted path. */
  public SealedFile file(byte[] storedPath) {
    byte[] id = derive(storedPath, FILE_ID);
    byte[] header = new byte[GocryptfsFormat.HEADER_BYTES];
    header[1] = GocryptfsConfig.VERSION;
    System.arraycopy(id, 0, header, 2, id.length);
    byte[] firstNonce = derive(storedPath, FIRST_NONCE);
    return new SealedFile(header, new GocryptfsContents(aead, format.layout(), id, firstNonce));
  }

  /**
   * The target of the symbolic link at an encrypted path. The path that counts has the link's name
   * twice ({@code dir/link/link}), as gocryptfs 2 has it.
   */
  public byte[] sealSymlink(byte[] storedPath, byte[] target) {
    if (plaintextNames) {
      return target;
    }
    int slash = lastSlash(storedPath);
    byte[] name = Arrays.copyOfRange(storedPath, slash + 1, storedPath.length);
    byte[] nonce = derive(join(join(storedPath, ascii("/")), name), SYMLINK_NONCE);
    return base64.encode(sealedValues.seal(target, nonce));
  }

  /** Length of what {@link #sealSymlink} makes of a target of {@code targetBytes}. */
  public long sealedSymlinkBytes(long targetBytes) {
    if (plaintextNames || targetBytes == 0) {
      return targetBytes;
    }
    return base64.encodedLength(targetBytes + aead.overheadBytes());
  }

  /** An attribute's value; {@code storedAttribute} is its encrypted name, prefix included. */
  public byte[] sealXattrValue(byte[] storedPath, byte[] storedAttribute, byte[] value) {
    byte[] path = join(join(storedPath, new byte[1]), storedAttribute);
    return sealedValues.seal(value, derive(path, XATTR_NONCE));
  }

  static byte[] derive(byte[] storedPath, byte[] purpose) {
    try {
      MessageDigest hash = MessageDigest.getInstance("SHA-256");
      hash.update(storedPath);
      hash.update((byte) 0);
      return Arrays.copyOf(hash.digest(purpose), DERIVED_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  private static int lastSlash(byte[] path) {
    int at = path.length - 1;
    while (at >= 0 && path[at] != '/') {
      at--;
    }
    return at;
  }

  private static byte[] join(byte[] first, byte[] second) {
    byte[] joined = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, joined, first.length, second.length);
    return joined;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
