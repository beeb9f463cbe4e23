package io.coffer.fuse;

import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Timestamp;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** A small filesystem in memory, to have something to mount. */
class MemoryFilesystem implements Filesystem {
  static final class Node {
    final long id;
    volatile int mode;
    volatile byte[] content = {};
    volatile byte[] target = {};
    volatile Timestamp modified = new Timestamp(1, 2);
    final Map<String, Node> children = new ConcurrentSkipListMap<>();
    final Map<String, byte[]> xattrs = new ConcurrentHashMap<>();

    Node(long id, int mode) {
      this.id = id;
      this.mode = mode;
    }

    FileStatus status() {
      return new FileStatus(
          0,
          id,
          mode,
          1,
          Credentials.uid(),
          Credentials.gid(),
          0,
          content.length + (long) target.length,
          8,
          4096,
          modified,
          modified,
          modified,
          null);
    }
  }

  final AtomicBoolean closed = new AtomicBoolean();
  final AtomicLong forgotten = new AtomicLong();
  volatile long lockHolder;

  /** Lookups of names that begin with "hang" wait for it; with "slow", for a millisecond. */
  final CountDownLatch released = new CountDownLatch(1);

  /** How many of them wait. */
  final AtomicInteger hanging = new AtomicInteger();

  /** How long a status is valid; a name at least a second. */
  volatile long validNanos;

  private final Map<Long, Node> nodes = new ConcurrentHashMap<>();
  private final AtomicLong ids = new AtomicLong(1);

  MemoryFilesystem() {
    nodes.put(1L, new Node(1, FileStatus.TYPE_DIRECTORY | 0755));
  }

  Node node(long id) {
    Node node = nodes.get(id);
    if (node == null) {
      throw new IllegalStateException("unknown node " + id);
    }
    return node;
  }

  private static String text(byte[] name) {
    return new String(name, StandardCharsets.ISO_8859_1);
  }

  private EntryReply reply(Node node) {
    return new EntryReply(
        node.id, 1, node.status(), Math.max(validNanos, 1_000_000_000L), validNanos);
  }

  private Node make(long parent, byte[] name, int mode) throws ErrnoException {
    Node made = new Node(ids.incrementAndGet(), mode);
    nodes.put(made.id, made);
    if (node(parent).children.putIfAbsent(text(name), made) != null) {
      throw new ErrnoException(Errno.EEXIST);
    }
    return made;
  }

  @Override
  public EntryReply lookup(Caller caller, long parent, byte[] name) throws ErrnoException {
    if (text(name).equals("explode")) {
      throw new IllegalStateException("a bug in a handler");
    }
    if (text(name).startsWith("slow")) {
      LockSupport.parkNanos(1_000_000);
    }
    if (text(name).startsWith("hang")) {
      hanging.incrementAndGet();
      try {
        released.await();
      } catch (InterruptedException e) {
        throw new ErrnoException(Errno.EINTR);
      } finally {
        hanging.decrementAndGet();
      }
    }
    Node child = node(parent).children.get(text(name));
    if (child == null) {
      throw new ErrnoException(Errno.ENOENT);
    }
    return reply(child);
  }

  @Override
  public void forget(long id, long count) {
    forgotten.addAndGet(count);
  }

  @Override
  public StatusReply status(Caller caller, long id, long handle) {
    return new StatusReply(node(id).status(), validNanos);
  }

  @Override
  public StatusReply change(Caller caller, long id, StatusChange change) {
    Node node = node(id);
    Integer mode = change.mode();
    if (mode != null) {
      node.mode = (node.mode & FileStatus.TYPE_MASK) | mode;
    }
    Long size = change.size();
    if (size != null) {
      node.content = Arrays.copyOf(node.content, size.intValue());
    }
    Timestamp modified = change.modified();
    if (modified != null && !modified.equals(Timestamp.NOW)) {
      node.modified = modified;
    }
    return new StatusReply(node.status(), validNanos);
  }

  @Override
  public byte[] readLink(Caller caller, long id) {
    return node(id).target.clone();
  }

  @Override
  public EntryReply symlink(Caller caller, long parent, byte[] name, byte[] target)
      throws ErrnoException {
    Node made = make(parent, name, FileStatus.TYPE_SYMLINK | 0777);
    made.target = target;
    return reply(made);
  }

  @Override
  public EntryReply makeDirectory(Caller caller, long parent, byte[] name, int mode, int umask)
      throws ErrnoException {
    return reply(make(parent, name, FileStatus.TYPE_DIRECTORY | (mode & ~umask)));
  }

  @Override
  public void unlink(Caller caller, long parent, byte[] name) throws ErrnoException {
    if (node(parent).children.remove(text(name)) == null) {
      throw new ErrnoException(Errno.ENOENT);
    }
  }

  @Override
  public void removeDirectory(Caller caller, long parent, byte[] name) throws ErrnoException {
    unlink(caller, parent, name);
  }

  @Override
  public void rename(
      Caller caller, long parent, byte[] name, long newParent, byte[] newName, int flags) {
    Node moved = node(parent).children.remove(text(name));
    if (moved != null) {
      node(newParent).children.put(text(newName), moved);
    }
  }

  @Override
  public OpenReply open(Caller caller, long id, int flags) {
    return new OpenReply(id, 0);
  }

  @Override
  public CreateReply create(Caller caller, long parent, byte[] name, int flags, int mode, int umask)
      throws ErrnoException {
    Node made = make(parent, name, FileStatus.TYPE_REGULAR | (mode & ~umask & 07777));
    return new CreateReply(reply(made), new OpenReply(made.id, 0));
  }

  @Override
  public int read(
      Caller caller,
      long id,
      long handle,
      long offset,
      MemorySegment to,
      long position,
      int length) {
    byte[] content = node(handle).content;
    int count = (int) Math.max(0, Math.min(length, content.length - offset));
    MemorySegment.copy(
        content,
        (int) Math.min(offset, content.length),
        to,
        ValueLayout.JAVA_BYTE,
        position,
        count);
    return count;
  }

  @Override
  public int write(
      Caller caller,
      long id,
      long handle,
      long offset,
      MemorySegment from,
      long position,
      int length,
      boolean fromCache,
      boolean killPrivileges) {
    Node node = node(handle);
    synchronized (node) {
      int end = (int) offset + length;
      byte[] content = node.content.length >= end ? node.content : Arrays.copyOf(node.content, end);
      MemorySegment.copy(from, ValueLayout.JAVA_BYTE, position, content, (int) offset, length);
      node.content = content;
    }
    return length;
  }

  @Override
  public FilesystemStatus filesystemStatus(Caller caller, long id) {
    return new FilesystemStatus(0, 4096, 4096, 1000, 500, 400, 300, 200, 255, 0);
  }

  @Override
  public void flush(Caller caller, long id, long handle, long lockOwner) {}

  @Override
  public OpenReply openDirectory(Caller caller, long id, int flags) {
    return new OpenReply(id, 0);
  }

  @Override
  public void list(
      Caller caller, long id, long handle, long cookie, boolean plus, DirectorySink sink) {
    long next = 0;
    for (var each : new TreeMap<>(node(id).children).entrySet()) {
      next++;
      if (next <= cookie) {
        continue;
      }
      Node child = each.getValue();
      byte[] name = each.getKey().getBytes(StandardCharsets.ISO_8859_1);
      if (!sink.add(
          name, child.id, child.mode & FileStatus.TYPE_MASK, next, plus ? reply(child) : null)) {
        return;
      }
    }
  }

  @Override
  public byte[] getXattr(Caller caller, long id, byte[] name) throws ErrnoException {
    byte[] value = node(id).xattrs.get(text(name));
    if (value == null) {
      throw new ErrnoException(Errno.ENODATA);
    }
    return value.clone();
  }

  @Override
  public void setXattr(Caller caller, long id, byte[] name, byte[] value, int flags) {
    node(id).xattrs.put(text(name), value);
  }

  /** One lock for the whole filesystem. */
  @Override
  public synchronized boolean tryLock(
      Caller caller, long id, long handle, long owner, Lock wanted) {
    if (wanted.type() == 2) {
      lockHolder = lockHolder == owner ? 0 : lockHolder;
      return true;
    }
    if (lockHolder != 0 && lockHolder != owner) {
      return false;
    }
    lockHolder = owner;
    return true;
  }

  @Override
  public void close() {
    closed.set(true);
  }
}
