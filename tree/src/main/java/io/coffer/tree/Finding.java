package io.coffer.tree;

import org.jspecify.annotations.Nullable;

/**
 * Something that a check found in a volume.
 *
 * @param storedPath where, relative to the root of the stored tree; unprintable bytes escaped
 * @param plainPath where, as the user knows it; null if a name on the way does not decrypt
 * @param explanation what is wrong, and what can still be done
 * @param repairable can {@code check --repair} mend it without losing anything?
 * @param repaired it has been mended
 */
public record Finding(
    Severity severity,
    Kind kind,
    String storedPath,
    @Nullable String plainPath,
    String explanation,
    boolean repairable,
    boolean repaired) {

  /** How bad it is. */
  public enum Severity {
    /** Nothing is lost; something is left over. */
    NOTE,
    /** It could not be looked at. */
    SKIPPED,
    /** Contents, a name or an attribute cannot be read. */
    ERROR
  }

  /** What it is. */
  public enum Kind {
    LEFTOVER_TEMPORARY,
    ORPHANED_SIDECAR,
    MISSING_CONTEXT,
    DAMAGED_CONTEXT,
    MISSING_SIDECAR,
    DAMAGED_NAME,
    DAMAGED_HEADER,
    DAMAGED_BLOCK,
    DAMAGED_SYMLINK,
    DAMAGED_XATTR,
    FOREIGN_POLICY,
    UNKNOWN_KEY,
    DAMAGED_SIZE,
    CUT_CONTENTS,
    STRAY_CONTENTS,
    UNREADABLE
  }
}
