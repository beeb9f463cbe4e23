package io.coffer.vfs;

import io.coffer.store.StoreFile;
import java.util.concurrent.atomic.AtomicInteger;

/** An open regular file: a handle of the store, shared by those who use it at the moment. */
final class OpenFile implements OpenHandle {
  private final long id;
  private final FileState state;
  private final StoreFile file;
  private final boolean writable;
  private final boolean appending;
  private final AtomicInteger users = new AtomicInteger(1);

  OpenFile(long id, FileState state, StoreFile file, boolean writable, boolean appending) {
    this.id = id;
    this.state = state;
    this.file = file;
    this.writable = writable;
    this.appending = appending;
  }

  @Override
  public long id() {
    return id;
  }

  FileState state() {
    return state;
  }

  StoreFile file() {
    return file;
  }

  /** May the contents be changed through it? */
  boolean writable() {
    return writable;
  }

  /** Opened with O_APPEND: writes go to the end, wherever that is. */
  boolean appending() {
    return appending;
  }

  /** One more {@link #close} is owed. */
  void retain() {
    users.incrementAndGet();
  }

  /** The last one closes the file. */
  @Override
  public void close() {
    if (users.decrementAndGet() == 0) {
      file.close();
    }
  }
}
