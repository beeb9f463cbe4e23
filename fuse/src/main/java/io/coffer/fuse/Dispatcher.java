package io.coffer.fuse;

import io.coffer.fuse.Filesystem.CreateReply;
import io.coffer.fuse.Filesystem.EntryReply;
import io.coffer.fuse.Filesystem.Lock;
import io.coffer.fuse.Filesystem.StatusChange;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Timestamp;
import io.coffer.posix.Words;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Decodes one request, has the filesystem handle it, and sends the answer. Nothing that a request
 * holds is trusted: what is too short or malformed gets EINVAL. A handler that fails unexpectedly
 * answers EIO for this one request.
 *
 * <p>Thread-safe; each thread brings its own buffers.
 */
final class Dispatcher {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");

  /** struct fuse_in_header. */
  static final int HEADER_BYTES = 40;

  private static final int FATTR_MODE = 1;
  private static final int FATTR_UID = 1 << 1;
  private static final int FATTR_GID = 1 << 2;
  private static final int FATTR_SIZE = 1 << 3;
  private static final int FATTR_ATIME = 1 << 4;
  private static final int FATTR_MTIME = 1 << 5;
  private static final int FATTR_FH = 1 << 6;
  private static final int FATTR_ATIME_NOW = 1 << 7;
  private static final int FATTR_MTIME_NOW = 1 << 8;
  private static final int FATTR_KILL_SUIDGID = 1 << 11;
  private static final int GETATTR_FH = 1;
  private static final int WRITE_CACHE = 1;
  private static final int WRITE_KILL_SUIDGID = 1 << 2;
  private static final int RELEASE_FLOCK_UNLOCK = 2;
  private static final int FSYNC_DATA_ONLY = 1;
  private static final int LK_FLOCK = 1;
  private static final int F_UNLCK = 2;
  private static final long LONGEST_COPY_BYTES = 1L << 30;
  private static final ValueLayout.OfLong UNALIGNED_LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  private final Filesystem filesystem;
  private final KernelCache kernelCache;
  private final LockWaits lockWaits = new LockWaits();
  private volatile boolean extendedSetXattr;

  Dispatcher(Filesystem filesystem, KernelCache kernelCache) {
    this.filesystem = filesystem;
    this.kernelCache = kernelCache;
  }

  /** INIT agreed on FUSE_SETXATTR_EXT: SETXATTR has 8 more bytes before the name. */
  void useExtendedSetXattr() {
    extendedSetXattr = true;
  }

  /** Threads that wait for locks are told to give up. */
  void close() {
    lockWaits.close();
  }

  /** Handles the request of {@code length} bytes. */
  void dispatch(Exchange exchange, int length) {
    exchange.load();
    Words in = exchange.in;
    if (length < HEADER_BYTES || in.u32(0) != length) {
      LOG.log(System.Logger.Level.WARNING, "dropped a malformed request of {0} bytes", length);
      return;
    }
    int opcode = in.u32(4);
    long unique = in.u64(8);
    long id = in.u64(16);
    exchange.caller.set(unique, in.u32(24), in.u32(28), in.u32(32));
    Request request = new Request(exchange, length, unique);
    try {
      handle(request, opcode, id);
    } catch (ErrnoException e) {
      request.error(e.errno());
    } catch (Throwable e) {
      request.error(-unexpected(e, "operation " + opcode + " on inode " + id));
    }
  }

  /** Logs what no handler should throw. Returns the answer's error. */
  static int unexpected(Throwable e, String what) {
    // Neither message nor whole stack: they could hold names.
    StackTraceElement[] stack = e.getStackTrace();
    LOG.log(
        System.Logger.Level.ERROR,
        "{0} failed unexpectedly: {1} at {2}",
        what,
        e.getClass().getName(),
        stack.length == 0 ? "an unknown place" : stack[0]);
    LOG.log(System.Logger.Level.DEBUG, "the failure", e);
    return -Errno.EIO;
  }

  private void handle(Request r, int opcode, long id) throws ErrnoException {
    Caller caller = r.exchange.caller;
    switch (opcode) {
      case Opcode.LOOKUP -> r.entry(filesystem.lookup(caller, id, r.name()));
      case Opcode.FORGET -> {
        r.need(8);
        filesystem.forget(id, r.u64(0));
      }
      case Opcode.BATCH_FORGET -> batchForget(r);
      case Opcode.GETATTR -> {
        r.need(16);
        long handle = (r.u32(0) & GETATTR_FH) != 0 ? r.u64(8) : 0;
        Reply.putStatus(r.out(), Reply.HEADER_BYTES, filesystem.status(caller, id, handle));
        r.send(Reply.ATTR_OUT_BYTES);
      }
      case Opcode.STATX -> {
        r.need(24);
        long handle = (r.u32(0) & GETATTR_FH) != 0 ? r.u64(8) : 0;
        Reply.putExtendedStatus(r.out(), Reply.HEADER_BYTES, filesystem.status(caller, id, handle));
        r.send(Reply.STATX_OUT_BYTES);
      }
      case Opcode.SETATTR -> {
        Reply.putStatus(
            r.out(), Reply.HEADER_BYTES, filesystem.change(caller, id, statusChange(r)));
        r.send(Reply.ATTR_OUT_BYTES);
      }
      case Opcode.READLINK -> r.payload(filesystem.readLink(caller, id));
      case Opcode.SYMLINK -> {
        byte[] name = r.name();
        r.entry(filesystem.symlink(caller, id, name, r.string()));
      }
      case Opcode.MKNOD -> {
        r.need(16);
        r.skip(16);
        r.entry(
            filesystem.makeNode(
                caller, id, r.name(), r.u32(0), r.u32(8), Reply.decodeDevice(r.u32(4))));
      }
      case Opcode.MKDIR -> {
        r.need(8);
        r.skip(8);
        r.entry(filesystem.makeDirectory(caller, id, r.name(), r.u32(0), r.u32(4)));
      }
      case Opcode.UNLINK -> {
        filesystem.unlink(caller, id, r.name());
        r.done();
      }
      case Opcode.RMDIR -> {
        filesystem.removeDirectory(caller, id, r.name());
        r.done();
      }
      case Opcode.RENAME -> {
        r.need(8);
        r.skip(8);
        byte[] name = r.name();
        filesystem.rename(caller, id, name, r.u64(0), r.name(), 0);
        r.done();
      }
      case Opcode.RENAME2 -> {
        r.need(16);
        r.skip(16);
        byte[] name = r.name();
        filesystem.rename(caller, id, name, r.u64(0), r.name(), r.u32(8));
        r.done();
      }
      case Opcode.LINK -> {
        r.need(8);
        r.skip(8);
        r.entry(filesystem.link(caller, r.u64(0), id, r.name()));
      }
      case Opcode.OPEN -> {
        r.need(8);
        Reply.putOpen(r.out(), Reply.HEADER_BYTES, filesystem.open(caller, id, r.u32(0)));
        r.send(Reply.OPEN_BYTES);
      }
      case Opcode.CREATE -> {
        r.need(16);
        r.skip(16);
        r.created(filesystem.create(caller, id, r.name(), r.u32(0), r.u32(4), r.u32(8)));
      }
      case Opcode.TMPFILE -> {
        r.need(16);
        r.created(filesystem.createTemporary(caller, id, r.u32(0), r.u32(4), r.u32(8)));
      }
      case Opcode.READ -> {
        r.need(40);
        int size = r.size(16);
        int count = filesystem.read(caller, id, r.u64(0), r.u64(8), r.exchange.payload(), 0, size);
        r.sendPayload(count);
      }
      case Opcode.WRITE -> {
        r.need(40);
        int size = r.u32(16);
        if (size < 0 || size > r.length - DeviceExchange.WRITE_HEAD_BYTES) {
          throw new ErrnoException(Errno.EINVAL);
        }
        int count =
            filesystem.write(
                caller,
                id,
                r.u64(0),
                r.u64(8),
                r.exchange.data(),
                r.exchange.dataAt(),
                size,
                (r.u32(20) & WRITE_CACHE) != 0,
                (r.u32(20) & WRITE_KILL_SUIDGID) != 0);
        r.sendWord(count);
      }
      case Opcode.STATFS -> {
        Reply.putFilesystemStatus(
            r.out(), Reply.HEADER_BYTES, filesystem.filesystemStatus(caller, id));
        r.send(Reply.STATFS_BYTES);
      }
      case Opcode.FLUSH -> {
        r.need(24);
        filesystem.flush(caller, id, r.u64(0), r.u64(16));
        r.done();
      }
      case Opcode.RELEASE -> {
        r.need(24);
        try {
          if ((r.u32(12) & RELEASE_FLOCK_UNLOCK) != 0) {
            filesystem.tryFlock(caller, id, r.u64(0), r.u64(16), F_UNLCK);
          }
        } finally {
          filesystem.release(caller, id, r.u64(0));
        }
        r.done();
      }
      case Opcode.FSYNC -> {
        r.need(16);
        filesystem.sync(caller, id, r.u64(0), (r.u32(8) & FSYNC_DATA_ONLY) != 0);
        r.done();
      }
      case Opcode.SETXATTR -> {
        int head = extendedSetXattr ? 16 : 8;
        r.need(head);
        r.skip(head);
        byte[] name = r.string();
        filesystem.setXattr(caller, id, name, r.bytes(r.u32(0)), r.u32(4));
        r.done();
      }
      case Opcode.GETXATTR -> {
        r.need(8);
        r.skip(8);
        r.xattr(filesystem.getXattr(caller, id, r.string()));
      }
      case Opcode.LISTXATTR -> {
        r.need(8);
        r.xattr(filesystem.listXattrs(caller, id));
      }
      case Opcode.REMOVEXATTR -> {
        filesystem.removeXattr(caller, id, r.string());
        r.done();
      }
      case Opcode.OPENDIR -> {
        r.need(8);
        Reply.putOpen(r.out(), Reply.HEADER_BYTES, filesystem.openDirectory(caller, id, r.u32(0)));
        r.send(Reply.OPEN_BYTES);
      }
      case Opcode.READDIR, Opcode.READDIRPLUS -> {
        r.need(40);
        boolean plus = opcode == Opcode.READDIRPLUS;
        var sink = new DirectoryReply(r.exchange.payload(), r.out(), r.size(16), plus);
        try {
          filesystem.list(caller, id, r.u64(0), r.u64(8), plus, sink);
        } catch (ErrnoException e) {
          // The kernel owes a forget for each node that is in the payload already; the error comes
          // again when it asks on.
          if (sink.used() == 0) {
            throw e;
          }
        }
        r.sendPayload(sink.used());
      }
      case Opcode.RELEASEDIR -> {
        r.need(24);
        filesystem.releaseDirectory(caller, id, r.u64(0));
        r.done();
      }
      case Opcode.FSYNCDIR -> {
        r.need(16);
        filesystem.syncDirectory(caller, id, r.u64(0), (r.u32(8) & FSYNC_DATA_ONLY) != 0);
        r.done();
      }
      case Opcode.SYNCFS -> {
        filesystem.syncAll(caller, id);
        r.done();
      }
      case Opcode.GETLK -> testLock(r, id);
      case Opcode.SETLK -> {
        if (!setLock(r.lockRequest(id), caller)) {
          throw new ErrnoException(Errno.EAGAIN);
        }
        r.done();
      }
      case Opcode.SETLKW -> {
        LockRequest wanted = r.lockRequest(id);
        if (setLock(wanted, caller)) {
          r.done();
        } else {
          // The next request must not wait behind somebody else's lock.
          Caller waiting = caller.copy();
          r.exchange.later(
              "fuse-lock-" + r.unique,
              r.unique,
              out -> {
                lockWaits.await(waiting.unique(), () -> setLock(wanted, waiting));
                return 0;
              });
        }
      }
      case Opcode.INTERRUPT -> {
        r.need(8);
        lockWaits.interrupt(r.u64(0));
      }
      case Opcode.ACCESS -> {
        r.need(8);
        filesystem.access(caller, id, r.u32(0));
        r.done();
      }
      case Opcode.FALLOCATE -> {
        r.need(32);
        filesystem.allocate(caller, id, r.u64(0), r.u32(24), r.u64(8), r.u64(16));
        r.done();
      }
      case Opcode.LSEEK -> {
        r.need(24);
        if (filesystem.isHeldBack(id)) {
          seekLater(r, id);
        } else {
          long found = filesystem.seek(caller, id, r.u64(0), r.u64(8), r.u32(16));
          r.out().put64(Reply.HEADER_BYTES, found);
          r.send(8);
        }
      }
      case Opcode.COPY_FILE_RANGE, Opcode.COPY_FILE_RANGE_64 -> {
        r.need(56);
        // Bounded so that the older answer's 32-bit word holds it and nobody waits for too long.
        long most = r.u64(40) < 0 ? LONGEST_COPY_BYTES : Math.min(r.u64(40), LONGEST_COPY_BYTES);
        long count =
            filesystem.copyRange(
                caller, id, r.u64(0), r.u64(8), r.u64(16), r.u64(24), r.u64(32), most);
        r.out().put64(Reply.HEADER_BYTES, count);
        r.send(8);
      }
      case Opcode.IOCTL -> throw new ErrnoException(Errno.ENOTTY);
      case Opcode.DESTROY -> r.done();
      default -> throw new ErrnoException(Errno.ENOSYS);
    }
  }

  /**
   * Seeks when the kernel has sent what it held back. Later: the writes are requests, and there
   * have to be threads for them.
   */
  private void seekLater(Request r, long id) {
    long handle = r.u64(0);
    long offset = r.u64(8);
    int whence = r.u32(16);
    Caller caller = r.exchange.caller.copy();
    r.exchange.later(
        "fuse-seek-" + r.unique,
        r.unique,
        out -> {
          kernelCache.drop(id);
          out.put64(Reply.HEADER_BYTES, filesystem.seek(caller, id, handle, offset, whence));
          return 8;
        });
  }

  private void batchForget(Request r) throws ErrnoException {
    r.need(8);
    long count = Math.min(Integer.toUnsignedLong(r.u32(0)), (r.length - HEADER_BYTES - 8) / 16);
    // There may be more than the words at hand.
    r.skip(8);
    MemorySegment pairs = MemorySegment.ofArray(r.rest());
    for (long at = 0; at < count * 16; at += 16) {
      filesystem.forget(pairs.get(UNALIGNED_LONG, at), pairs.get(UNALIGNED_LONG, at + 8));
    }
  }

  private static StatusChange statusChange(Request r) throws ErrnoException {
    r.need(88);
    int valid = r.u32(0);
    return new StatusChange(
        (valid & FATTR_FH) != 0 ? r.u64(8) : 0,
        (valid & FATTR_MODE) != 0 ? (Integer) (r.u32(68) & 07777) : null,
        (valid & FATTR_UID) != 0 ? (Integer) r.u32(76) : null,
        (valid & FATTR_GID) != 0 ? (Integer) r.u32(80) : null,
        (valid & FATTR_SIZE) != 0 ? (Long) r.u64(16) : null,
        time(r, valid, FATTR_ATIME, FATTR_ATIME_NOW, 32, 56),
        time(r, valid, FATTR_MTIME, FATTR_MTIME_NOW, 40, 60),
        (valid & FATTR_KILL_SUIDGID) != 0);
  }

  private static @Nullable Timestamp time(
      Request r, int valid, int given, int now, int seconds, int nanos) throws ErrnoException {
    if ((valid & now) != 0) {
      return Timestamp.NOW;
    }
    if ((valid & given) == 0) {
      return null;
    }
    if (r.u32(nanos) < 0 || r.u32(nanos) > 999_999_999) {
      throw new ErrnoException(Errno.EINVAL);
    }
    return new Timestamp(r.u64(seconds), r.u32(nanos));
  }

  /** A decoded struct fuse_lk_in. */
  private record LockRequest(long id, long handle, long owner, Lock lock, boolean flock) {}

  private boolean setLock(LockRequest wanted, Caller caller) throws ErrnoException {
    return wanted.flock
        ? filesystem.tryFlock(caller, wanted.id, wanted.handle, wanted.owner, wanted.lock.type())
        : filesystem.tryLock(caller, wanted.id, wanted.handle, wanted.owner, wanted.lock);
  }

  private void testLock(Request r, long id) throws ErrnoException {
    LockRequest wanted = r.lockRequest(id);
    Lock found =
        filesystem.testLock(r.exchange.caller, id, wanted.handle, wanted.owner, wanted.lock);
    Words b = r.out();
    b.put64(16, found == null ? wanted.lock.start() : found.start());
    b.put64(24, found == null ? wanted.lock.end() : found.end());
    b.put32(32, found == null ? F_UNLCK : found.type());
    b.put32(36, found == null ? 0 : found.pid());
    r.send(24);
  }

  /** One request: reads its body, which begins behind the header, and sends its answer. */
  private static final class Request {
    private final Exchange exchange;
    private final int length;
    private final long unique;
    private int position = HEADER_BYTES;
    private byte @Nullable [] rest;
    private int restAt;

    Request(Exchange exchange, int length, long unique) {
      this.exchange = exchange;
      this.length = length;
      this.unique = unique;
    }

    Words out() {
      return exchange.out;
    }

    /** The body has at least so many bytes. */
    void need(int bytes) throws ErrnoException {
      if (length - HEADER_BYTES < bytes) {
        throw new ErrnoException(Errno.EINVAL);
      }
    }

    void skip(int bytes) {
      position += bytes;
    }

    int u32(int offset) {
      return exchange.in.u32(HEADER_BYTES + offset);
    }

    long u64(int offset) {
      return exchange.in.u64(HEADER_BYTES + offset);
    }

    /** A size of a payload that is asked for, bounded by what fits. */
    int size(int offset) {
      return (int) Math.min(Integer.toUnsignedLong(u32(offset)), exchange.payload().byteSize());
    }

    /** The next string, ended by NUL. */
    byte[] string() throws ErrnoException {
      byte[] all = rest();
      int start = position - restAt;
      int end = start;
      while (end < all.length && all[end] != 0) {
        end++;
      }
      if (end >= all.length) {
        throw new ErrnoException(Errno.EINVAL);
      }
      position += end + 1 - start;
      return Arrays.copyOfRange(all, start, end);
    }

    /** What is left of the body, fetched at once. */
    private byte[] rest() {
      if (rest == null) {
        restAt = position;
        rest = exchange.rest(position, length);
      }
      return rest;
    }

    /** The next string, which must be able to be the name of a directory entry. */
    byte[] name() throws ErrnoException {
      byte[] name = string();
      boolean dots =
          name.length <= 2 && name.length > 0 && name[0] == '.' && name[name.length - 1] == '.';
      if (name.length == 0 || dots) {
        throw new ErrnoException(Errno.EINVAL);
      }
      for (byte b : name) {
        if (b == '/') {
          throw new ErrnoException(Errno.EINVAL);
        }
      }
      return name;
    }

    byte[] bytes(int count) throws ErrnoException {
      byte[] all = rest();
      int start = position - restAt;
      if (count < 0 || count > all.length - start) {
        throw new ErrnoException(Errno.EINVAL);
      }
      byte[] result = Arrays.copyOfRange(all, start, start + count);
      position += count;
      return result;
    }

    /** struct fuse_lk_in: handle, owner, start, end, type, pid, flags. */
    LockRequest lockRequest(long id) throws ErrnoException {
      need(48);
      int type = u32(32);
      if (type < 0 || type > F_UNLCK || u64(16) < 0 || u64(24) < u64(16)) {
        throw new ErrnoException(Errno.EINVAL);
      }
      return new LockRequest(
          id, u64(0), u64(8), new Lock(u64(16), u64(24), type, u32(36)), (u32(40) & LK_FLOCK) != 0);
    }

    void error(int errno) {
      send(-errno, Reply.HEADER_BYTES, 0);
    }

    void done() {
      send(0);
    }

    /** Sends an answer whose body of {@code bytes} lies behind the header. */
    void send(int bytes) {
      send(0, Reply.HEADER_BYTES + bytes, 0);
    }

    void sendPayload(int bytes) {
      send(0, Reply.HEADER_BYTES, bytes);
    }

    /** The first {@code head} bytes, a multiple of 8, are in {@link #out}. */
    private void send(int error, int head, int payload) {
      Reply.putHeader(out(), head + payload, error, unique);
      exchange.send(head, payload);
    }

    void payload(byte[] value) throws ErrnoException {
      if (value.length > exchange.payload().byteSize()) {
        throw new ErrnoException(Errno.E2BIG);
      }
      MemorySegment.copy(value, 0, exchange.payload(), ValueLayout.JAVA_BYTE, 0, value.length);
      sendPayload(value.length);
    }

    /** struct fuse_write_out or fuse_getxattr_out. */
    void sendWord(int value) {
      out().put32(Reply.HEADER_BYTES, value);
      out().put32(Reply.HEADER_BYTES + 4, 0);
      send(8);
    }

    void xattr(byte[] value) throws ErrnoException {
      int room = u32(0);
      if (room == 0) {
        sendWord(value.length);
      } else if (value.length > Integer.toUnsignedLong(room)) {
        throw new ErrnoException(Errno.ERANGE);
      } else {
        payload(value);
      }
      Arrays.fill(value, (byte) 0);
    }

    void entry(EntryReply entry) {
      Reply.putEntry(out(), Reply.HEADER_BYTES, entry);
      send(Reply.ENTRY_BYTES);
    }

    void created(CreateReply created) {
      Reply.putEntry(out(), Reply.HEADER_BYTES, created.entry());
      Reply.putOpen(out(), Reply.HEADER_BYTES + Reply.ENTRY_BYTES, created.open());
      send(Reply.ENTRY_BYTES + Reply.OPEN_BYTES);
    }
  }
}
