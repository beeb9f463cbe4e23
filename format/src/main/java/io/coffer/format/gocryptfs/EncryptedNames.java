package io.coffer.format.gocryptfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.StrictBase64;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * The names of one directory, encrypted under its IV (nametransform/names.go, longnames.go). What
 * is longer than the limit is stored as {@code gocryptfs.longname.HASH} with {@code
 * gocryptfs.longname.HASH.name} beside it, which holds the encrypted name; HASH is the base64 of
 * the SHA-256 of that name.
 */
final class EncryptedNames implements NameCodec {
  static final byte[] CONTEXT_NAME = ascii("gocryptfs.diriv");

  private static final byte[] LONG_PREFIX = ascii("gocryptfs.longname.");
  private static final byte[] SIDECAR_SUFFIX = ascii(".name");

  /** What removing a directory may leave behind (fusefrontend/node_dir_ops.go). */
  private static final byte[] REMOVED_CONTEXT_PREFIX = ascii("gocryptfs.diriv.rmdir.");

  private static final int NAME_MAX = 255;

  private final SealedNames sealedNames;
  private final StrictBase64 base64;
  private final byte[] directoryIv;
  private final boolean longNames;
  private final int longNameMax;

  /** {@code longNames} false: names beyond {@code longNameMax} are refused, not hashed. */
  EncryptedNames(
      SealedNames sealedNames,
      StrictBase64 base64,
      byte[] directoryIv,
      boolean longNames,
      int longNameMax) {
    this.sealedNames = sealedNames;
    this.base64 = base64;
    this.directoryIv = directoryIv;
    this.longNames = longNames;
    this.longNameMax = longNameMax;
  }

  @Override
  public StoredName encode(byte[] plain) throws FormatException {
    if (plain.length > NAME_MAX) {
      throw new FormatException("a name of " + plain.length + " bytes is too long");
    }
    byte[] sealed = sealedNames.seal(directoryIv, plain);
    if (sealed.length <= longNameMax) {
      return new StoredName(sealed, null, null);
    }
    if (!longNames) {
      throw new FormatException("the name is too long when encrypted, and long names are off");
    }
    byte[] hashed = hashedName(sealed);
    return new StoredName(hashed, sidecarOf(hashed), sealed);
  }

  @Override
  public EntryKind kindOf(byte[] storedName) {
    if (startsWith(storedName, LONG_PREFIX)) {
      return endsWith(storedName, SIDECAR_SUFFIX) ? EntryKind.INTERNAL : EntryKind.LONG;
    }
    if (Arrays.equals(storedName, CONTEXT_NAME) || startsWith(storedName, REMOVED_CONTEXT_PREFIX)) {
      return EntryKind.INTERNAL;
    }
    return EntryKind.PLAIN;
  }

  @Override
  public byte[] sidecarOf(byte[] storedName) {
    return join(storedName, SIDECAR_SUFFIX);
  }

  @Override
  public byte[] decode(byte[] storedName) throws FormatException {
    if (storedName.length > longNameMax) {
      throw new FormatException("the name is stored in full, although it is too long for that");
    }
    return open(storedName);
  }

  @Override
  public byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException {
    if (!Arrays.equals(hashedName(sidecarContent), storedName)) {
      throw new FormatException("the file with the long name holds the name of another file");
    }
    if (sidecarContent.length <= longNameMax) {
      throw new FormatException("the name is stored by its hash, although it is short enough");
    }
    return open(sidecarContent);
  }

  private byte[] open(byte[] sealed) throws FormatException {
    byte[] plain = sealedNames.open(directoryIv, sealed);
    if (plain.length > NAME_MAX || !isEntryName(plain)) {
      throw new FormatException("the name decrypts to one that no file can have");
    }
    return plain;
  }

  @Override
  public byte[] newTemporaryName() {
    return TemporaryNames.AMONG_ENCRYPTED.next();
  }

  @Override
  public boolean isTemporary(byte[] storedName) {
    return TemporaryNames.AMONG_ENCRYPTED.contains(storedName)
        || startsWith(storedName, REMOVED_CONTEXT_PREFIX);
  }

  private byte[] hashedName(byte[] sealed) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(sealed);
      return join(LONG_PREFIX, base64.encode(hash));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  private static boolean isEntryName(byte[] name) {
    for (byte b : name) {
      if (b == 0 || b == '/') {
        return false;
      }
    }
    boolean dots = name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
    return !dots;
  }

  private static boolean startsWith(byte[] name, byte[] prefix) {
    return name.length >= prefix.length
        && Arrays.equals(name, 0, prefix.length, prefix, 0, prefix.length);
  }

  private static boolean endsWith(byte[] name, byte[] suffix) {
    int from = name.length - suffix.length;
    return from >= 0 && Arrays.equals(name, from, name.length, suffix, 0, suffix.length);
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
