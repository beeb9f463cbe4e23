package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.fscrypt.FscryptNoKeyName;
import io.coffer.format.fscrypt.FscryptStoredName;
import io.coffer.posix.ErrnoException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The names of an encrypted directory whose key is not there: each is shown in fscrypt's no-key
 * form, by which it can be looked up and removed.
 *
 * <p>The no-key form of a long name has 149 bytes of its enciphered form and a digest, the stored
 * form 148 and another digest: the directory is searched for it, helped by the no-key form's room
 * for a hint, which here is the beginning of the stored digest.
 */
final class LockedNames implements NameCodec {
  /** What looks for long names in the directory. */
  interface Directory {
    /**
     * The full enciphered name kept for the first entry that passes, with its stored name.
     *
     * @return null if none passes
     */
    @Nullable Found find(Filter filter) throws ErrnoException;

    /** An entry was shown under a no-key name that does not hold all of its enciphered name. */
    default void shown(FscryptNoKeyName name, byte[] end) {}

    /**
     * What was said to {@link #shown} of a name, if it is remembered, and the entry is there.
     *
     * @param beginning with what its stored name begins
     */
    default @Nullable Found recall(FscryptNoKeyName name, byte[] beginning) throws ErrnoException {
      return null;
    }
  }

  /** Chooses among the entries of a directory. */
  interface Filter {
    /** May it be this one, by its stored name? */
    boolean mayBe(byte[] storedName);

    /** Is it, by its enciphered name? */
    boolean is(byte[] ciphertext);
  }

  /** An entry with a long name. */
  record Found(byte[] storedName, byte[] ciphertext) {}

  private static final int SHORTEST_CIPHERTEXT = 16;

  private final Directory directory;

  LockedNames(Directory directory) {
    this.directory = directory;
  }

  @Override
  public StoredName encode(byte[] noKeyName) throws FormatException {
    FscryptNoKeyName name = FscryptNoKeyName.decode(noKeyName);
    byte[] ciphertext = name.ciphertext();
    if (ciphertext != null) {
      if (ciphertext.length < SHORTEST_CIPHERTEXT) {
        throw new FormatException("no name is enciphered to so few bytes");
      }
      return stored(FscryptStoredName.encode(ciphertext), ciphertext);
    }
    byte[] beginning = FscryptStoredName.beginningFor(name);
    Found found;
    try {
      found = directory.recall(name, beginning);
      if (found != null) {
        return stored(found.storedName(), found.ciphertext());
      }
      found =
          directory.find(
              new Filter() {
                @Override
                public boolean mayBe(byte[] storedName) {
                  return FscryptStoredName.isLong(storedName)
                      && Arrays.equals(
                          storedName, 0, beginning.length, beginning, 0, beginning.length)
                      && hint(storedName) == name.hash();
                }

                @Override
                public boolean is(byte[] candidate) {
                  return name.matches(candidate);
                }
              });
    } catch (ErrnoException e) {
      throw new FormatException("the directory cannot be searched: " + e.getMessage());
    }
    if (found == null) {
      throw new FormatException("there is no such name");
    }
    return stored(found.storedName(), found.ciphertext());
  }

  private StoredName stored(byte[] stored, byte[] ciphertext) {
    return FscryptStoredName.isLong(stored)
        ? new StoredName(stored, sidecarOf(stored), ciphertext)
        : new StoredName(stored, null, null);
  }

  /** The last characters of a long stored name, which are of its digest. */
  private static int hint(byte[] storedName) {
    return Arrays.hashCode(
        Arrays.copyOfRange(storedName, storedName.length - Long.BYTES, storedName.length));
  }

  @Override
  public EntryKind kindOf(byte[] storedName) {
    if (FscryptStoredName.isInternal(storedName)) {
      return EntryKind.INTERNAL;
    }
    return FscryptStoredName.isLong(storedName) ? EntryKind.LONG : EntryKind.PLAIN;
  }

  @Override
  public byte[] sidecarOf(byte[] storedName) {
    return FscryptStoredName.sidecarOf(storedName);
  }

  @Override
  public byte[] decode(byte[] storedName) throws FormatException {
    return FscryptNoKeyName.of(FscryptStoredName.decode(storedName)).encode();
  }

  @Override
  public byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException {
    FscryptStoredName.check(storedName, sidecarContent);
    FscryptNoKeyName name = FscryptNoKeyName.of(sidecarContent, hint(storedName), 0);
    if (name.restDigest() != null) {
      int known = FscryptStoredName.beginningFor(name).length;
      directory.shown(name, Arrays.copyOfRange(storedName, known, storedName.length));
    }
    return name.encode();
  }

  @Override
  public byte[] newTemporaryName() {
    return FscryptStoredName.newTemporary();
  }

  @Override
  public boolean isTemporary(byte[] storedName) {
    return FscryptStoredName.isTemporary(storedName);
  }
}
