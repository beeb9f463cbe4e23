package io.coffer.fuse;

import java.nio.file.Path;
import java.util.List;

/**
 * A program that mounts a filesystem in memory and unmounts it when its standard input ends; to be
 * started as another user.
 */
final class MemoryMount {
  private MemoryMount() {}

  public static void main(String[] arguments) throws Exception {
    var files = new MemoryFilesystem();
    FuseMount mount =
        FuseMount.mount(
            new MountRequest(
                Path.of(arguments[0]),
                "mem,ory",
                "coffertest",
                false,
                false,
                true,
                false,
                false,
                true,
                List.of()),
            files,
            new SessionOptions(false, true, false, true, true, false, false, false, false, 4));
    System.out.println("mounted");
    while (System.in.read() >= 0) {
      // What comes does not matter, only that it ends.
    }
    System.out.println("unmounted " + mount.unmount());
    mount.session().awaitEnd();
    System.out.println("closed " + files.closed.get());
  }
}
