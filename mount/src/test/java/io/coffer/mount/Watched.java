package io.coffer.mount;

import io.coffer.vfs.VirtualFilesystem;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/** Passes everything on to a filesystem, and counts. */
final class Watched {
  final AtomicInteger reads = new AtomicInteger();
  final AtomicInteger openHandles = new AtomicInteger();
  final AtomicInteger closed = new AtomicInteger();
  final VirtualFilesystem files;

  Watched(VirtualFilesystem inner) {
    files =
        (VirtualFilesystem)
            Proxy.newProxyInstance(
                Watched.class.getClassLoader(),
                new Class<?>[] {VirtualFilesystem.class},
                (proxy, method, arguments) -> {
                  Object result;
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
