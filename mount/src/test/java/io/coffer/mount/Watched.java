package io.coffer.mount;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.vfs.VirtualFilesystem;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/** Passes everything on to a filesystem, and counts. */
final class Watched {
  final AtomicInteger reads = new AtomicInteger();
  final AtomicInteger attributeReads = new AtomicInteger();
  final AtomicInteger openHandles = new AtomicInteger();
  final AtomicInteger closed = new AtomicInteger();
  final VirtualFilesystem files;

  /** From now on it is as if the store had no extended attributes. */
  volatile boolean withoutAttributes;

  Watched(VirtualFilesystem inner) {
    files =
        (VirtualFilesystem)
            Proxy.newProxyInstance(
                Watched.class.getClassLoader(),
                new Class<?>[] {VirtualFilesystem.class},
                (proxy, method, arguments) -> {
                  Object result;
                  if (method.getName().equals("getXattr")) {
                    attributeReads.incrementAndGet();
                    if (withoutAttributes) {
                      throw new ErrnoException(Errno.EOPNOTSUPP);
                    }
                  }
                  try {
                    result = method.invoke(inner, arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getTargetException();
                  }
                  switch (method.getName()) {
                    case "read" -> reads.incrementAndGet();
                    case "open", "create", "createTemporary", "openDirectory" ->
                        openHandles.incrementAndGet();
                    case "release", "releaseDirectory" -> openHandles.decrementAndGet();
                    case "close" -> closed.incrementAndGet();
                    default -> {}
                  }
                  return result;
                });
  }

  boolean isClosed() {
    return closed.get() > 0;
  }
}
