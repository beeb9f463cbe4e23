package io.coffer.mount;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.store.Store;
import io.coffer.vfs.VolumeLease;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How a volume is mounted as to others that may change it, and the lease that makes it so. Held for
 * as long as the view is mounted.
 */
public final class Sharing implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.mount");

  /** What was asked for. */
  public enum Wish {
    /** Shared on network and cluster filesystems and where others share it already. */
    AUTOMATIC,
    SHARED,
    EXCLUSIVE,
    /** As AUTOMATIC, but never refused: gocryptfs lets everybody in. */
    AUTOMATIC_IN_ANY_CASE
  }

  /** The volume cannot be mounted as was asked. The message says what to do. */
  public static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedException(String message) {
      super(message);
    }
  }

  private final SharingMode mode;
  private final @Nullable VolumeLease lease;

  private Sharing(SharingMode mode, @Nullable VolumeLease lease) {
    this.mode = mode;
    this.lease = lease;
  }

  /** The mode; direct I/O is left to whoever mounts. */
  public SharingMode mode() {
    return mode;
  }

  /** The lease; null for a view that changes nothing, and where none can be had or is needed. */
  public @Nullable VolumeLease lease() {
    return lease;
  }

  /**
   * Decides, and takes the lease.
   *
   * @param directory where the store is
   * @param lockFile the name that the volume's format has for the file of leases, or null
   * @param readOnly the view changes nothing; it then takes no lease
   * @throws ErrnoException if the store cannot be looked at
   */
  public static Sharing decide(
      Store store, Path directory, byte @Nullable [] lockFile, Wish wish, boolean readOnly)
      throws ErrnoException, RefusedException {
    boolean local = FilesystemTypes.isLocal(store.root().filesystemStatus().type());
    boolean automatic = wish != Wish.SHARED && wish != Wish.EXCLUSIVE;
    boolean shared = wish == Wish.SHARED || (automatic && !local);
    if (readOnly) {
      return new Sharing(shared ? SharingMode.SHARED : SharingMode.EXCLUSIVE, null);
    }
    if (shared && FilesystemTypes.keepsLocksHere(directory)) {
      return withoutLocks(directory, wish);
    }
    try {
      if (shared) {
        return take(store, lockFile, SharingMode.SHARED);
      }
      try {
        return take(store, lockFile, SharingMode.EXCLUSIVE);
      } catch (VolumeLease.HeldException e) {
        if (!automatic || e.holder().exclusive()) {
          throw e;
        }
        return take(store, lockFile, SharingMode.SHARED); // as those who are there already
      }
    } catch (VolumeLease.HeldException e) {
      return besideAnother(directory, wish, e.holder());
    } catch (ErrnoException e) {
      return switch (e.errno()) {
        case Errno.EACCES, Errno.EPERM, Errno.EROFS -> withoutLease(directory, wish, shared, e);
        case Errno.ENOLCK, Errno.ENOSYS, Errno.EOPNOTSUPP, Errno.EINVAL ->
            shared ? withoutLocks(directory, wish) : withoutLease(directory, wish, false, e);
        default -> throw e;
      };
    }
  }

  private static Sharing take(Store store, byte @Nullable [] lockFile, SharingMode mode)
      throws ErrnoException, VolumeLease.HeldException {
    return new Sharing(mode, VolumeLease.take(store, lockFile, mode == SharingMode.EXCLUSIVE));
  }

  private static Sharing besideAnother(Path directory, Wish wish, VolumeLease.Holder holder)
      throws RefusedException {
    if (wish == Wish.AUTOMATIC_IN_ANY_CASE) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0} is mounted for itself alone by {1}: if both write to one file, writes can be lost",
          directory,
          holder.text());
      return new Sharing(SharingMode.SHARED, null);
    }
    throw new RefusedException(
        holder.exclusive()
            ? directory
                + " is mounted for itself alone by "
                + holder.text()
                + ": unmount it there, or mount it with --shared on both sides"
            : directory
                + " is mounted by "
                + holder.text()
                + ", so it cannot be mounted with --exclusive: unmount it there, or use --shared");
  }

  private static Sharing withoutLease(Path directory, Wish wish, boolean shared, ErrnoException e)
      throws RefusedException {
    if (wish == Wish.EXCLUSIVE) {
      throw new RefusedException(
          "no lease can be taken on "
              + directory
              + ", for nothing can be written to its root ("
              + e.getMessage()
              + "): mount it with --shared or --read-only");
    }
    LOG.log(System.Logger.Level.DEBUG, "{0} without a lease: {1}", directory, e.getMessage());
    return new Sharing(shared ? SharingMode.SHARED : SharingMode.EXCLUSIVE, null);
  }

  private static Sharing withoutLocks(Path directory, Wish wish) throws RefusedException {
    String fault =
        directory
            + " is on a filesystem whose byte-range locks do not hold between nodes (Lustre: mount"
            + " it with 'flock'; NFS: without 'nolock' and 'local_lock')";
    if (wish == Wish.SHARED) {
      throw new RefusedException(
          fault + ": it cannot be shared safely. Use --exclusive if this node alone writes to it");
    }
    LOG.log(
        System.Logger.Level.WARNING,
        "{0}: only one node may write to it at a time, and nothing will notice if two do",
        fault);
    return new Sharing(SharingMode.EXCLUSIVE, null);
  }

  @Override
  public void close() {
    if (lease != null) {
      lease.close();
    }
  }
}
