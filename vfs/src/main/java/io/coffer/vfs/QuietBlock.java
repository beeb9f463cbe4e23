package io.coffer.vfs;

import io.coffer.posix.ErrnoException;
import io.coffer.store.LockType;
import io.coffer.store.StoreFile;
import org.jspecify.annotations.Nullable;

/**
 * One block of a stored file, or its header, while no mount in shared mode changes it: for whoever
 * reads a volume beside its filesystem and must tell damage from a change under way. What is read
 * while it is held comes from the store and not from an older cache.
 *
 * <p>Hold one of a file at a time, and not for long: writers wait.
 */
public final class QuietBlock implements AutoCloseable {
  /** Stands for the header. */
  public static final long HEADER = FileLocks.Range.HEADER;

  private final FileLocks.@Nullable Held held;

  private QuietBlock(FileLocks.@Nullable Held held) {
    this.held = held;
  }

  /**
   * Waits until nobody changes a block. On a store without byte-range locks, where nothing can be
   * shared anyway, nothing is waited for.
   *
   * @param block a block's number, or {@link #HEADER}
   */
  public static QuietBlock of(StoreFile file, long block) {
    FileLocks.Held held = null;
    try {
      held = FileLocks.hold(file, LockType.SHARED, new FileLocks.Range(block, block));
      file.forgetCached(0, 0);
    } catch (ErrnoException e) {
      // No locks, or no cache to be dropped: then it is what it is.
    }
    return new QuietBlock(held);
  }

  @Override
  public void close() throws ErrnoException {
    if (held != null) {
      held.close();
    }
  }
}
