package io.coffer.vfs;

import io.coffer.posix.ErrnoException;

/**
 * Tells plain paths and stored paths apart for tools that work on the stored tree. Paths are
 * relative to the root, components separated by "/", no "." or ".."; the empty path is the root.
 * Thread-safe.
 */
public interface PathTranslator {
  /** The stored path of a plain one. ENOENT if a directory on the way does not exist. */
  byte[] encryptPath(byte[] plain) throws ErrnoException;

  /** The plain path of a stored one. */
  byte[] decryptPath(byte[] stored) throws ErrnoException;
}
