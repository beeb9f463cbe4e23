package io.coffer.store;

import io.coffer.posix.ErrnoException;

/**
 * A cursor over the entries of a directory, "." and ".." included, in the store's own order.
 * Streams: a directory of any size takes one buffer. Not thread-safe.
 */
public interface StoreListing extends AutoCloseable {
  /** Moves to the next entry; false at the end. */
  boolean next() throws ErrnoException;

  /** The current entry's name. */
  byte[] name();

  /** The current entry's inode number. */
  long inode();

  /** The current entry's type as the TYPE bits of a mode, or 0 where the store does not say. */
  int type();

  /** A cookie of the place behind the current entry, for {@link #seek}; 0 is the start. */
  long cookie();

  /** Continues behind the entry whose cookie is given; 0 starts again and sees new entries. */
  void seek(long cookie) throws ErrnoException;

  @Override
  void close();
}
