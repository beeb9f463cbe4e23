package io.coffer.fuse;

import io.coffer.posix.ErrnoException;

/** What the kernel holds of a file's contents. */
@FunctionalInterface
interface KernelCache {
  /**
   * Makes the kernel send the writes that it held back, and forget the file's contents. Not from a
   * thread that reads requests, for it waits until those writes have been answered.
   */
  void drop(long id) throws ErrnoException;
}
