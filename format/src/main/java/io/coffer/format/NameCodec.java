package io.coffer.format;

import org.jspecify.annotations.Nullable;

/** Turns names of one directory into stored names and back. Immutable and thread-safe. */
public interface NameCodec {
  /**
   * A stored name.
   *
   * @param name the directory entry's name on the store
   * @param sidecarName name of the file beside the entry that keeps a long name's full stored form;
   *     null for a name that fits
   * @param sidecarContent what that file holds
   */
  record StoredName(byte[] name, byte @Nullable [] sidecarName, byte @Nullable [] sidecarContent) {
    public boolean isLong() {
      return sidecarName != null;
    }
  }

  /** What an entry of a stored directory is. */
  enum EntryKind {
    /** An entry whose name can be decoded from itself. */
    PLAIN,
    /** An entry whose full stored name is in its sidecar. */
    LONG,
    /** Belongs to the format (context file, sidecar, temporary): not to be shown. */
    INTERNAL
  }

  /**
   * The stored form of a plain name.
   *
   * @param plain 1 to 255 bytes without "/" and NUL; not "." or ".."
   * @throws FormatException if the name cannot be stored (too long)
   */
  StoredName encode(byte[] plain) throws FormatException;

  /** Tells entries apart by their stored name alone. */
  EntryKind kindOf(byte[] storedName);

  /** For a name of kind LONG: the name of its sidecar. */
  byte[] sidecarOf(byte[] storedName);

  /**
   * The plain name of a stored one of kind PLAIN.
   *
   * @throws FormatException if it is no name that this codec makes
   */
  byte[] decode(byte[] storedName) throws FormatException;

  /**
   * The plain name of a stored one of kind LONG.
   *
   * @throws FormatException also if the sidecar does not belong to the name
   */
  byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException;

  /**
   * A fresh random name of kind INTERNAL, under which an entry is prepared before it is renamed
   * into place; a crash may leave it behind, and checking a volume removes it.
   */
  byte[] newTemporaryName();

  /** Is this an entry that was being prepared or removed, and may be deleted if nobody is at it? */
  boolean isTemporary(byte[] storedName);
}
