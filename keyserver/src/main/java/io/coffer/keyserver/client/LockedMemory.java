package io.coffer.keyserver.client;

import io.coffer.crypto.SecretBytes;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A secret in whole pages of its own, which the kernel is asked not to swap out (mlock(2)) and not
 * to write into core files (madvise(2), MADV_DONTDUMP), and which are overwritten when it is
 * closed. Where the limit on locked memory (RLIMIT_MEMLOCK) does not allow it, that is logged once,
 * and the secret is kept all the same. Thread-safe.
 */
final class LockedMemory implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final long PAGE_BYTES = 4096;
  private static final int MADV_DONTDUMP = 16;
  private static final AtomicBoolean WARNED = new AtomicBoolean();
  private static final MethodHandle MLOCK =
      function("mlock", ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
  private static final MethodHandle MUNLOCK =
      function("munlock", ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
  private static final MethodHandle MADVISE =
      function("madvise", ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);

  private final Arena arena = Arena.ofShared();
  private final MemorySegment pages;
  private final int length;
  private final boolean locked;
  private boolean closed;

  LockedMemory(SecretBytes secret) {
    length = secret.length();
    long size = (length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    pages = arena.allocate(size, PAGE_BYTES);
    // Before the secret is in it.
    locked = call(MLOCK, pages, size) == 0;
    if (!locked && WARNED.compareAndSet(false, true)) {
      LOG.log(
          System.Logger.Level.WARNING,
          "keys cannot be locked in memory and may be swapped out; raise the limit 'memlock'");
    }
    try {
      int _ = (int) MADVISE.invokeExact(pages, size, MADV_DONTDUMP);
    } catch (Throwable e) {
      throw new IllegalStateException("madvise", e);
    }
    secret.read(bytes -> {
      MemorySegment.copy(bytes, 0, pages, ValueLayout.JAVA_BYTE, 0, length);
      return null;
    });
  }

  boolean isLocked() {
    return locked;
  }

  /** A copy, which the caller closes. */
  synchronized SecretBytes copy() {
    if (closed) {
      throw new IllegalStateException("the secret has been closed");
    }
    return SecretBytes.take(pages.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE));
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      pages.fill((byte) 0);
      if (locked) {
        call(MUNLOCK, pages, pages.byteSize());
      }
      arena.close();
    }
  }

  private static int call(MethodHandle function, MemorySegment memory, long size) {
    try {
      return (int) function.invokeExact(memory, size);
    } catch (Throwable e) {
      throw new IllegalStateException("mlock", e);
    }
  }

  private static MethodHandle function(String name, java.lang.foreign.MemoryLayout... parameters) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().find(name).orElseThrow(),
        FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
  }
}
