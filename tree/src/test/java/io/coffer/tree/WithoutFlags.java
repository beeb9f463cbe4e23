package io.coffer.tree;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.jspecify.annotations.Nullable;

/**
 * A directory of a store without RENAME_NOREPLACE, such as ceph-fuse and NFS are.
 *
 * @param meanwhile what another node does while the flag is refused
 */
record WithoutFlags(StoreDirectory directory, Change meanwhile) implements InvocationHandler {
  interface Change {
    void run() throws IOException;
  }

  static StoreDirectory of(StoreDirectory directory, Change meanwhile) {
    var types = new Class<?>[] {StoreDirectory.class};
    return (StoreDirectory)
        Proxy.newProxyInstance(
            StoreDirectory.class.getClassLoader(), types, new WithoutFlags(directory, meanwhile));
  }

  /** Such a store, where nobody else does anything. */
  static Store of(Store store) {
    StoreDirectory root = of(store.root(), () -> {});
    return new Store() {
      @Override
      public StoreDirectory root() {
        return root;
      }

      @Override
      public String description() {
        return store.description();
      }

      @Override
      public void close() throws ErrnoException {
        store.close();
      }
    };
  }

  @Override
  public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] given)
      throws Throwable {
    Object[] args = given == null ? new Object[0] : given;
    if (method.isDefault()) {
      return InvocationHandler.invokeDefault(proxy, method, args);
    }
    if (method.getName().equals("rename") && !args[3].equals(0)) {
      meanwhile.run();
      throw new ErrnoException(Errno.EINVAL);
    }
    for (int i = 0; i < args.length; i++) {
      if (args[i] instanceof StoreDirectory other && Proxy.isProxyClass(other.getClass())) {
        args[i] = ((WithoutFlags) Proxy.getInvocationHandler(other)).directory;
      }
    }
    try {
      Object result = method.invoke(directory, args);
      return result instanceof StoreDirectory below ? of(below, meanwhile) : result;
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }
}
