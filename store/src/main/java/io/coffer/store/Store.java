package io.coffer.store;

import io.coffer.posix.ErrnoException;

/**
 * A tree of ciphertext: a local or network directory now, an object store later. Everything is
 * reached from {@link #root()} by handles and single names, never by whole paths, so that a rename
 * or a symbolic link planted by somebody else cannot redirect an operation.
 *
 * <p>Names are the raw bytes that the store keeps, without "/" or NUL. Thread-safe.
 */
public interface Store extends AutoCloseable {
  /** The root directory. The handle belongs to the store and is closed with it. */
  StoreDirectory root();

  /** A word for messages: the directory's path. */
  String description();

  @Override
  void close() throws ErrnoException;
}
