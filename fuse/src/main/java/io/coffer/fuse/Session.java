package io.coffer.fuse;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A connection with the kernel: agrees on the protocol, then has threads read requests from
 * /dev/fuse, each of which handles what it read and answers itself; {@link Readers} tells how many.
 * Over io_uring, {@link RingReaders} get nearly all requests, and one thread is left to read the
 * device: forgetting and interrupting still come there.
 *
 * <p>Ends when the filesystem is unmounted or the connection is aborted.
 */
public final class Session {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");

  private static final int MAJOR = 7;

  /** Linux 4.20, which brought FUSE_MAX_PAGES; everything newer is negotiated. */
  private static final int OLDEST_MINOR = 28;

  /**
   * Linux 5.10. Since 5.8 close(2) writes what the kernel held back, and tells of its failure, also
   * where the filesystem has said that it need not hear of closes.
   */
  private static final int CLOSES_ALONE_MINOR = 32;

  /** The newest protocol whose structures this code knows. */
  private static final int MINOR = 45;

  private static final long ASYNC_READ = 1;
  private static final long POSIX_LOCKS = 1L << 1;
  private static final long ATOMIC_O_TRUNC = 1L << 3;
  private static final long BIG_WRITES = 1L << 5;
  private static final long DONT_MASK = 1L << 6;
  private static final long FLOCK_LOCKS = 1L << 10;
  private static final long AUTO_INVAL_DATA = 1L << 12;
  private static final long DO_READDIRPLUS = 1L << 13;
  private static final long READDIRPLUS_AUTO = 1L << 14;
  private static final long ASYNC_DIO = 1L << 15;
  private static final long WRITEBACK_CACHE = 1L << 16;
  private static final long PARALLEL_DIROPS = 1L << 18;
  private static final long POSIX_ACL = 1L << 20;
  private static final long ABORT_ERROR = 1L << 21;
  private static final long MAX_PAGES = 1L << 22;
  private static final long CACHE_SYMLINKS = 1L << 23;
  private static final long EXPLICIT_INVAL_DATA = 1L << 25;
  private static final long HANDLE_KILLPRIV_V2 = 1L << 28;
  private static final long SETXATTR_EXT = 1L << 29;
  private static final long INIT_EXT = 1L << 30;

  /** Since Linux 6.14, and only where the administrator has switched it on. */
  private static final long OVER_IO_URING = 1L << 41;

  /** Since Linux 6.6, which also drops cached pages before it writes around them. */
  private static final long DIRECT_IO_ALLOW_MMAP = 1L << 36;

  /** Largest READ and WRITE. */
  private static final int LARGEST_TRANSFER_BYTES = 1 << 20;

  /** A READ or WRITE of so much is worth a second thread. */
  private static final int LONG_TRANSFER_BYTES = 128 * 1024;

  /** So many small ones without anything else between them are, too. */
  private static final int MANY_TRANSFERS = 16;

  /** The near reader looks so often whether it still is to read. */
  private static final int NEAR_WAITS_MILLIS = 100;

  private static final int NOTIFY_INVAL_INODE = 2;
  private static final int NOTIFY_INVAL_ENTRY = 3;
  private static final int NOTIFY_STORE = 4;
  private static final int NOTIFY_DELETE = 6;

  private final int device;
  private final Filesystem filesystem;
  private final SessionOptions options;
  private final Dispatcher dispatcher;
  private final int maxWriteBytes;
  private final Readers readers;

  /** The readers of the device, and the threads of the rings, if there are any. */
  private final AtomicInteger parties = new AtomicInteger(1);

  private volatile boolean mapsDirectFiles;
  private volatile boolean usesRings;
  private volatile boolean closesAlone;

  /** Of the near reader, -1 before there is one. */
  private volatile int secondDevice = -1;

  /** Counted by several threads without a lock: it need not be exact. */
  private int transfersInRow;

  private final CountDownLatch started = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);

  /** Takes over an open descriptor of /dev/fuse that has been mounted; {@link #start} begins. */
  Session(int device, Filesystem filesystem, SessionOptions options) {
    this.device = device;
    this.filesystem = filesystem;
    this.options = options;
    this.dispatcher = new Dispatcher(filesystem, id -> invalidateInode(id, 0, 0));
    this.maxWriteBytes = maxPages() * Page.BYTES;
    this.readers = new Readers(options.threads(), this::serve, this::hasRequests, this::serveNear);
  }

  /** Pages of 1 MiB, or fewer if the administrator set a lower limit. */
  static int maxPages() {
    int wanted = LARGEST_TRANSFER_BYTES / Page.BYTES;
    // In one call: the kernel gives what is behind the first part of such a file to nobody, and
    // Files.readString asks for a single byte first.
    try (InputStream file = Files.newInputStream(Path.of("/proc/sys/fs/fuse/max_pages_limit"))) {
      String limit = new String(file.readNBytes(32), StandardCharsets.US_ASCII).strip();
      return Math.clamp(Integer.parseInt(limit), 1, wanted);
    } catch (IOException | NumberFormatException e) {
      // A kernel before 6.13 has a fixed limit of 256 pages.
      return wanted;
    }
  }

  void start() {
    readers.start();
  }

  /** Waits until the kernel and this side have agreed and requests are served. */
  void awaitStarted() throws InterruptedException {
    started.await();
  }

  /** Waits until the filesystem has been unmounted and every request has been handled. */
  public void awaitEnd() throws InterruptedException {
    ended.await();
  }

  /** Who waits for requests and handles them. */
  Readers readers() {
    return readers;
  }

  /** Has the filesystem been unmounted and every request been handled? */
  public boolean hasEnded() {
    return ended.getCount() == 0;
  }

  private void serve() {
    try (Arena arena = Arena.ofShared()) {
      DeviceExchange exchange =
          new DeviceExchange(arena, maxWriteBytes, channel(device), Thread::start);
      while (readers.mayRead()) {
        int length = receive(exchange.request);
        boolean whole = length >= Dispatcher.HEADER_BYTES;
        readers.received(
            whole && takesLong(exchange.request, length), whole && isOneOfMany(exchange.request));
        if (length <= 0) {
          break;
        }
        if (started.getCount() > 0) {
          if (length >= Dispatcher.HEADER_BYTES
              && exchange.request.get(ValueLayout.JAVA_INT, 4) == Opcode.INIT) {
            agree(exchange, length);
          }
        } else {
          dispatcher.dispatch(exchange, length);
          readers.handled(exchange.caller);
        }
      }
    } catch (RuntimeException | Error e) {
      LOG.log(System.Logger.Level.ERROR, "a reader thread failed", e);
    } finally {
      if (readers.left()) {
        end();
      }
    }
  }

  /** What the near reader does; it gets nothing before kernel and filesystem have agreed. */
  private void serveNear() {
    NearReader near = readers.near();
    near.begun();
    try (Arena arena = Arena.ofShared()) {
      int second = Mounting.secondDevice(device);
      secondDevice = second;
      DeviceExchange exchange =
          new DeviceExchange(arena, maxWriteBytes, channel(second), readers::startOrdinary);
      while (near.mayRead()) {
        int length = receiveNear(second, exchange.request);
        if (length >= Dispatcher.HEADER_BYTES) {
          int client = exchange.request.get(ValueLayout.JAVA_INT, 32);
          readers.receivedNear(client, takesLong(exchange.request, length));
          dispatcher.dispatch(exchange, length);
          readers.handled(exchange.caller);
        }
      }
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "no reader beside its client: {0}", e.getMessage());
    } catch (RuntimeException | Error e) {
      LOG.log(System.Logger.Level.ERROR, "a reader thread failed", e);
    } finally {
      if (readers.nearLeft()) {
        end();
      }
    }
  }

  /** Reads one request; 0 or less if there is none and it is no longer near, or at the end. */
  private int receiveNear(int second, MemorySegment request) throws ErrnoException {
    while (true) {
      try {
        int length = Linux.read(second, request.address(), request.byteSize());
        if (length == 0) {
          readers.stop();
        }
        return length;
      } catch (ErrnoException e) {
        if (e.errno() == Errno.EAGAIN) {
          if (!readers.near().isOn()) {
            return 0;
          }
          Linux.awaitReadable(second, NEAR_WAITS_MILLIS);
        } else if (e.errno() != Errno.ENOENT) {
          if (e.errno() != Errno.ENODEV) {
            throw e;
          }
          readers.stop();
          return 0;
        }
      }
    }
  }

  /** Reads one request; 0 or less at the end of the connection. */
  private int receive(MemorySegment request) {
    while (true) {
      try {
        int length = Linux.read(device, request.address(), request.byteSize());
        if (length == 0) {
          readers.stop();
        }
        return length;
      } catch (ErrnoException e) {
        // ENOENT: the request was interrupted before it was read.
        if (e.errno() != Errno.ENOENT && e.errno() != Errno.EAGAIN) {
          if (e.errno() != Errno.ENODEV) {
            LOG.log(System.Logger.Level.WARNING, "the connection ended: {0}", e.getMessage());
          }
          readers.stop();
          return -1;
        }
      }
    }
  }

  private boolean hasRequests() {
    try {
      return Linux.isReadable(device);
    } catch (ErrnoException e) {
      // Whoever reads next is told why.
      return false;
    }
  }

  /** Much data, or a wait for the store: longer than it takes to wake another thread. */
  private static boolean takesLong(MemorySegment request, int length) {
    int opcode = request.get(ValueLayout.JAVA_INT, 4);
    return switch (opcode) {
      case Opcode.READ ->
          length >= Dispatcher.HEADER_BYTES + 20
              && request.get(ValueLayout.JAVA_INT, Dispatcher.HEADER_BYTES + 16)
                  >= LONG_TRANSFER_BYTES;
      case Opcode.WRITE -> length >= LONG_TRANSFER_BYTES;
      case Opcode.FSYNC,
          Opcode.FSYNCDIR,
          Opcode.SYNCFS,
          Opcode.FALLOCATE,
          Opcode.COPY_FILE_RANGE,
          Opcode.COPY_FILE_RANGE_64 ->
          true;
      default -> false;
    };
  }

  /** One of many reads and writes in a row. */
  private boolean isOneOfMany(MemorySegment request) {
    int opcode = request.get(ValueLayout.JAVA_INT, 4);
    transfersInRow = opcode == Opcode.READ || opcode == Opcode.WRITE ? transfersInRow + 1 : 0;
    return transfersInRow >= MANY_TRANSFERS;
  }

  private void end() {
    if (parties.decrementAndGet() > 0) {
      return;
    }
    dispatcher.close();
    try {
      filesystem.close();
    } catch (RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "closing the filesystem failed", e);
    } finally {
      Linux.close(device);
      if (secondDevice >= 0) {
        Linux.close(secondDevice);
      }
      started.countDown();
      ended.countDown();
    }
  }

  /** Answers INIT, struct fuse_init_in with struct fuse_init_out. */
  private void agree(DeviceExchange exchange, int length) {
    MemorySegment in = exchange.request;
    long unique = in.get(ValueLayout.JAVA_LONG, 8);
    MemorySegment out = exchange.head;
    int at = Dispatcher.HEADER_BYTES;
    int major = in.get(ValueLayout.JAVA_INT, at);
    int minor = in.get(ValueLayout.JAVA_INT, at + 4);
    out.asSlice(0, 80).fill((byte) 0);
    if (length < at + 16 || major < MAJOR || (major == MAJOR && minor < OLDEST_MINOR)) {
      LOG.log(
          System.Logger.Level.ERROR,
          "the kernel speaks FUSE {0}.{1}; at least {2}.{3} (Linux 4.20) is needed",
          major,
          minor,
          MAJOR,
          OLDEST_MINOR);
      Reply.putHeader(out, Reply.HEADER_BYTES, -Errno.EPROTO, unique);
      send(device, out, Reply.HEADER_BYTES, out, 0);
      readers.stop();
      return;
    }
    long offered = Integer.toUnsignedLong(in.get(ValueLayout.JAVA_INT, at + 12));
    if ((offered & INIT_EXT) != 0 && length >= at + 20) {
      offered |= (long) in.get(ValueLayout.JAVA_INT, at + 16) << 32;
    }
    closesAlone = !options.forwardLocks() && minor >= CLOSES_ALONE_MINOR;
    long wanted =
        BIG_WRITES
            | ATOMIC_O_TRUNC
            | DONT_MASK
            | DO_READDIRPLUS
            | ASYNC_DIO
            | PARALLEL_DIROPS
            | ABORT_ERROR
            | MAX_PAGES
            | CACHE_SYMLINKS
            | SETXATTR_EXT
            | INIT_EXT
            | (closesAlone ? 0 : POSIX_LOCKS | FLOCK_LOCKS)
            | (options.autoInvalidate() ? AUTO_INVAL_DATA : EXPLICIT_INVAL_DATA)
            | (options.statusWithListings() ? 0 : READDIRPLUS_AUTO)
            | (options.asynchronousRead() ? ASYNC_READ : 0)
            | (options.killPrivileges() ? HANDLE_KILLPRIV_V2 : 0)
            | (options.writebackCache() ? WRITEBACK_CACHE : 0)
            | (options.posixAcl() ? POSIX_ACL : 0)
            | (options.mapDirectFiles() ? DIRECT_IO_ALLOW_MMAP : 0)
            | (options.ioUring() ? OVER_IO_URING : 0);
    long agreed = offered & wanted;
    RingReaders rings = (agreed & OVER_IO_URING) != 0 ? prepareRings() : null;
    if (rings == null) {
      agreed &= ~OVER_IO_URING;
    }
    usesRings = rings != null;
    if ((agreed & SETXATTR_EXT) != 0) {
      dispatcher.useExtendedSetXattr();
    }
    mapsDirectFiles = (agreed & DIRECT_IO_ALLOW_MMAP) != 0;
    int body = Reply.HEADER_BYTES;
    out.set(ValueLayout.JAVA_INT, body, MAJOR);
    out.set(ValueLayout.JAVA_INT, body + 4, Math.min(MINOR, minor));
    out.set(ValueLayout.JAVA_INT, body + 8, in.get(ValueLayout.JAVA_INT, at + 8));
    out.set(ValueLayout.JAVA_INT, body + 12, (int) agreed);
    out.set(ValueLayout.JAVA_SHORT, body + 16, (short) 64);
    out.set(ValueLayout.JAVA_SHORT, body + 18, (short) 48);
    out.set(ValueLayout.JAVA_INT, body + 20, maxWriteBytes);
    out.set(ValueLayout.JAVA_INT, body + 24, 1);
    out.set(ValueLayout.JAVA_SHORT, body + 28, (short) (maxWriteBytes / Page.BYTES));
    out.set(ValueLayout.JAVA_INT, body + 32, (int) (agreed >>> 32));
    Reply.putHeader(out, 80, 0, unique);
    filesystem.started(this);
    // First: as soon as the kernel has the answer, another reader may get a request.
    started.countDown();
    send(device, out, 80, out, 0);
    if (rings != null) {
      // Until each processor has a thread, the kernel holds back all other requests.
      parties.incrementAndGet();
      rings.start();
    }
  }

  /** Null if this machine allows none: then all requests come by the device. */
  private @Nullable RingReaders prepareRings() {
    try {
      return new RingReaders(
          device,
          maxWriteBytes,
          exchange -> dispatcher.dispatch(exchange, exchange.length()),
          this::end);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "no FUSE over io_uring: {0}", e.getMessage());
      return null;
    }
  }

  private ReplyChannel channel(int descriptor) {
    return (head, headBytes, payload, payloadBytes) ->
        send(descriptor, head, headBytes, payload, payloadBytes);
  }

  private void send(
      int descriptor,
      MemorySegment head,
      long headBytes,
      MemorySegment payload,
      long payloadBytes) {
    try {
      Linux.writeTwo(descriptor, head.address(), headBytes, payload.address(), payloadBytes);
    } catch (ErrnoException e) {
      // ENOENT: the request was interrupted and nobody waits; ENODEV: unmounted meanwhile.
      if (e.errno() != Errno.ENOENT && e.errno() != Errno.ENODEV) {
        LOG.log(System.Logger.Level.ERROR, "the kernel refused an answer: {0}", e.getMessage());
        if (payloadBytes > 0 || headBytes > Reply.HEADER_BYTES) {
          Reply.putHeader(head, Reply.HEADER_BYTES, -Errno.EIO, head.get(ValueLayout.JAVA_LONG, 8));
          send(descriptor, head, Reply.HEADER_BYTES, head, 0);
        }
      }
    }
  }

  // Notifications. They must not be sent from a thread that handles a request on the same inode or
  // directory: the kernel may hold a lock meanwhile that it needs for them.

  /** The kernel is to forget cached contents from {@code offset} on, and the status. */
  public void invalidateInode(long id, long offset, long length) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment b = arena.allocate(Reply.HEADER_BYTES + 24, 8);
      b.set(ValueLayout.JAVA_LONG, 16, id);
      b.set(ValueLayout.JAVA_LONG, 24, offset);
      b.set(ValueLayout.JAVA_LONG, 32, length);
      notify(NOTIFY_INVAL_INODE, b, b, 0);
    }
  }

  /**
   * Does the kernel keep locks itself ({@link SessionOptions#forwardLocks}), so that it need not
   * tell of closes? {@link Filesystem#flush} may then say ENOSYS.
   */
  public boolean closesAlone() {
    return closesAlone;
  }

  /** Do requests come over io_uring? */
  public boolean usesRings() {
    return usesRings;
  }

  /** Can files be mapped for shared use that were opened around the page cache? */
  public boolean mapsDirectFiles() {
    return mapsDirectFiles;
  }

  /** The kernel is to ask for the status anew; also from a thread that handles a request. */
  public void invalidateStatus(long id) throws ErrnoException {
    invalidateInode(id, -1, 0);
  }

  /** The kernel is to look a name up anew. */
  public void invalidateEntry(long parent, byte[] name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment b = arena.allocate(Reply.HEADER_BYTES + 16 + name.length + 1, 8);
      b.set(ValueLayout.JAVA_LONG, 16, parent);
      b.set(ValueLayout.JAVA_INT, 24, name.length);
      MemorySegment.copy(name, 0, b, ValueLayout.JAVA_BYTE, 32, name.length);
      notify(NOTIFY_INVAL_ENTRY, b, b, 0);
    }
  }

  /** A name is gone that stood for {@code child}. */
  public void deleted(long parent, long child, byte[] name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment b = arena.allocate(Reply.HEADER_BYTES + 24 + name.length + 1, 8);
      b.set(ValueLayout.JAVA_LONG, 16, parent);
      b.set(ValueLayout.JAVA_LONG, 24, child);
      b.set(ValueLayout.JAVA_INT, 32, name.length);
      MemorySegment.copy(name, 0, b, ValueLayout.JAVA_BYTE, 40, name.length);
      notify(NOTIFY_DELETE, b, b, 0);
    }
  }

  /** Puts contents into the kernel's cache. */
  public void store(long id, long offset, MemorySegment data, int length) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment b = arena.allocate(Reply.HEADER_BYTES + 24, 8);
      b.set(ValueLayout.JAVA_LONG, 16, id);
      b.set(ValueLayout.JAVA_LONG, 24, offset);
      b.set(ValueLayout.JAVA_INT, 32, length);
      notify(NOTIFY_STORE, b, data, length);
    }
  }

  /** ENOENT, "the kernel does not know it", is as good as done. */
  private void notify(int code, MemorySegment b, MemorySegment data, int length)
      throws ErrnoException {
    Reply.putHeader(b, b.byteSize() + length, code, 0);
    try {
      Linux.writeTwo(device, b.address(), b.byteSize(), data.address(), length);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
    }
  }
}
