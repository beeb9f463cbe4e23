package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.Eme;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.StrictBase64;
import io.coffer.format.VolumeFormat;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/**
 * A gocryptfs volume whose master key is known. A file is {@code version16 || id || block_0 ||
 * block_1 ...}: two bytes of version, big-endian, and 16 random bytes (contentenc/file_header.go).
 */
public final class GocryptfsFormat implements VolumeFormat {
  static final int HEADER_BYTES = 2 + GocryptfsContents.FILE_ID_BYTES;
  static final int DIRECTORY_IV_BYTES = 16;

  /** The tweak of names of extended attributes (nametransform/xattr.go). */
  private static final byte[] XATTR_TWEAK = ascii("xattr_name_iv_xx");

  private static final byte[] XATTR_PREFIX = ascii("user.gocryptfs.");
  private static final byte[] ACCESS_ACL = ascii("system.posix_acl_access");
  private static final byte[] DEFAULT_ACL = ascii("system.posix_acl_default");
  private static final byte[] CONFIG_NAME = ascii(GocryptfsConfig.FILE_NAME);
  private static final byte[] CONFIG_BACKUP_NAME = ascii(GocryptfsConfig.FILE_NAME + ".bak");
  private static final byte[] LOCK_NAME =
      "gocryptfs.longname.coffer-lock.name".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] PLAIN_LOCK_NAME =
      "gocryptfs.coffer-lock".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] CONFIG_TEMPORARY_NAME = ascii(GocryptfsConfig.FILE_NAME + ".tmp");

  private final GocryptfsCipher cipher;
  private final boolean plaintextNames;
  private final boolean directoryIvs;
  private final boolean longNames;
  private final int longNameMax;
  private final ContentLayout layout;
  private final Aead aead;
  private final Eme eme;
  private final StrictBase64 base64;
  private final SealedNames sealedNames;
  private final SealedValues sealedValues;

  /**
   * Derives the volume's keys.
   *
   * @param masterKey 32 bytes; copied
   * @param longNames whether names that become too long are hashed; else they are refused
   */
  public GocryptfsFormat(GocryptfsConfig config, SecretBytes masterKey, boolean longNames) {
    if (masterKey.length() != GocryptfsConfig.MASTER_KEY_BYTES) {
      throw new IllegalArgumentException("master key of " + masterKey.length() + " bytes");
    }
    cipher = config.cipher();
    boolean hkdf = config.has(FeatureFlag.HKDF);
    plaintextNames = config.has(FeatureFlag.PLAINTEXT_NAMES);
    directoryIvs = config.has(FeatureFlag.DIR_IV);
    this.longNames = longNames;
    // Without long names a name is stored in full as long as the store takes it.
    boolean limited = longNames && config.longNameMax() != 0;
    longNameMax = limited ? config.longNameMax() : GocryptfsOptions.NAME_MAX;
    aead = GocryptfsKeys.contents(masterKey, hkdf, cipher);
    eme = GocryptfsKeys.names(masterKey, hkdf);
    base64 = config.has(FeatureFlag.RAW_64) ? StrictBase64.URL : StrictBase64.PADDED_URL;
    sealedNames = new SealedNames(eme, base64);
    sealedValues = new SealedValues(aead);
    layout = new ContentLayout(HEADER_BYTES, GocryptfsContents.BLOCK_BYTES, aead.overheadBytes());
  }

  @Override
  public ContentLayout layout() {
    return layout;
  }

  @Override
  public byte @Nullable [] directoryContextName() {
    return directoryIvs ? EncryptedNames.CONTEXT_NAME.clone() : null;
  }

  @Override
  public byte[] newDirectoryContext() {
    return directoryIvs ? randomNonZero(DIRECTORY_IV_BYTES) : new byte[0];
  }

  @Override
  public NameCodec names(byte[] directoryContext) throws FormatException {
    if (plaintextNames) {
      return PlainNames.INSTANCE;
    }
    byte[] iv;
    if (directoryIvs) {
      if (directoryContext.length != DIRECTORY_IV_BYTES) {
        throw new FormatException(
            "the directory's IV has "
                + directoryContext.length
                + " bytes instead of "
                + DIRECTORY_IV_BYTES);
      }
      if (GocryptfsContents.isZero(directoryContext)) {
        throw new FormatException("the directory's IV is all zero");
      }
      iv = directoryContext.clone();
    } else {
      iv = new byte[DIRECTORY_IV_BYTES];
    }
    return new EncryptedNames(sealedNames, base64, iv, longNames, longNameMax);
  }

  @Override
  public boolean isReservedInRoot(byte[] storedName) {
    return Arrays.equals(storedName, CONFIG_NAME)
        || Arrays.equals(storedName, lockFileName())
        || (!plaintextNames
            && (Arrays.equals(storedName, CONFIG_BACKUP_NAME)
                || Arrays.equals(storedName, CONFIG_TEMPORARY_NAME)));
  }

  @Override
  public boolean isForbiddenInRoot(byte[] plainName) {
    return plaintextNames
        && (Arrays.equals(plainName, CONFIG_NAME) || Arrays.equals(plainName, lockFileName()));
  }

  /**
   * Where names are encrypted it has the form of a sidecar, which gocryptfs passes over in silence.
   */
  @Override
  public byte[] lockFileName() {
    return plaintextNames ? PLAIN_LOCK_NAME : LOCK_NAME;
  }

  @Override
  public byte[] newFileHeader() {
    byte[] header = new byte[HEADER_BYTES];
    header[1] = GocryptfsConfig.VERSION;
    System.arraycopy(
        randomNonZero(GocryptfsContents.FILE_ID_BYTES),
        0,
        header,
        2,
        GocryptfsContents.FILE_ID_BYTES);
    return header;
  }

  @Override
  public ContentCipher contents(byte[] header) throws FormatException {
    if (header.length != HEADER_BYTES) {
      throw new FormatException(
          "the file's header has " + header.length + " bytes instead of " + HEADER_BYTES);
    }
    if (GocryptfsContents.isZero(header)) {
      throw new FormatException(
          "the file's header is all zero, as a power failure leaves what was not synced");
    }
    int version = (header[0] & 0xff) << 8 | (header[1] & 0xff);
    if (version != GocryptfsConfig.VERSION) {
      throw new FormatException("the file's header has version " + version + " instead of 2");
    }
    byte[] id = Arrays.copyOfRange(header, 2, HEADER_BYTES);
    if (GocryptfsContents.isZero(id)) {
      throw new FormatException("the file's id is all zero");
    }
    return new GocryptfsContents(aead, layout, id);
  }

  @Override
  public byte[] sealSymlink(byte[] target) {
    return plaintextNames ? target : base64.encode(sealedValues.seal(target));
  }

  @Override
  public byte[] openSymlink(byte[] stored) throws FormatException {
    return plaintextNames
        ? stored
        : sealedValues.open(base64.decode(stored, "the link's target"), "the link's target");
  }

  @Override
  public byte @Nullable [] sealXattrName(byte[] name) {
    if (isAcl(name)) {
      return null;
    }
    try {
      byte[] sealed = sealedNames.seal(XATTR_TWEAK, name);
      byte[] stored = Arrays.copyOf(XATTR_PREFIX, XATTR_PREFIX.length + sealed.length);
      System.arraycopy(sealed, 0, stored, XATTR_PREFIX.length, sealed.length);
      return stored;
    } catch (FormatException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  @Override
  public boolean isOwnXattr(byte[] stored) {
    int prefix = XATTR_PREFIX.length;
    return stored.length >= prefix && Arrays.equals(stored, 0, prefix, XATTR_PREFIX, 0, prefix);
  }

  @Override
  public byte @Nullable [] openXattrName(byte[] stored) {
    if (isAcl(stored)) {
      return stored;
    }
    int prefix = XATTR_PREFIX.length;
    if (stored.length <= prefix || !Arrays.equals(stored, 0, prefix, XATTR_PREFIX, 0, prefix)) {
      return null;
    }
    try {
      byte[] name =
          sealedNames.open(XATTR_TWEAK, Arrays.copyOfRange(stored, prefix, stored.length));
      for (byte b : name) {
        if (b == 0) {
          return null;
        }
      }
      return name;
    } catch (FormatException e) {
      return null;
    }
  }

  @Override
  public byte[] sealXattrValue(byte[] value) {
    return sealedValues.seal(value);
  }

  @Override
  public byte[] openXattrValue(byte[] stored) throws FormatException {
    try {
      return sealedValues.open(stored, "the attribute's value");
    } catch (FormatException e) {
      // Early versions stored values in base64.
      byte[] binary;
      try {
        binary = Base64.getUrlDecoder().decode(stored);
      } catch (IllegalArgumentException notBase64) {
        throw e;
      }
      return sealedValues.open(binary, "the attribute's value");
    }
  }

  /** The encrypted view of a plain tree; its keys are this format's, and so is their end. */
  public ReverseView reverseView() {
    if (cipher != GocryptfsCipher.AES_SIV) {
      throw new IllegalStateException("only AES-SIV can show a plain tree encrypted");
    }
    return new ReverseView(this, aead, base64, sealedValues, plaintextNames, directoryIvs);
  }

  private static boolean isAcl(byte[] name) {
    return Arrays.equals(name, ACCESS_ACL) || Arrays.equals(name, DEFAULT_ACL);
  }

  private static byte[] randomNonZero(int length) {
    byte[] bytes;
    do {
      bytes = RandomBytes.of(length);
    } while (GocryptfsContents.isZero(bytes));
    return bytes;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Override
  public void close() {
    aead.close();
    eme.close();
  }
}
