package io.coffer.vfs;

import io.coffer.store.StoreListing;

/**
 * An open directory: a cursor over its entries. One listing request at a time, under this object's
 * monitor.
 */
final class OpenDirectory implements OpenHandle {
  private final long id;
  final Inode inode;
  final StoreListing listing;

  /** Cookie of the entry last given away; where the next request is expected to continue. */
  long position;

  /** The listing stands on an entry behind {@link #position} that was read and not given away. */
  boolean entryWaiting;

  private boolean closed;

  OpenDirectory(long id, Inode inode, StoreListing listing) {
    this.id = id;
    this.inode = inode;
    this.listing = listing;
  }

  @Override
  public long id() {
    return id;
  }

  boolean isClosed() {
    return closed;
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      listing.close();
    }
  }
}
