package io.coffer.fuse;

import java.nio.file.Path;
import java.util.List;

/**
 * A program that mounts a filesystem in memory and unmounts it when its standard input ends; to be
 * started as another user.
 */
final class MemoryMount {
  private MemoryMount() {}

  /** Mounts it on a directory; the kernel checks permissions. */
  static FuseMount mount(
      Path mountPoint, String source, MemoryFilesystem files, SessionOptions options)
      throws MountException, InterruptedException {
    MountRequest request =
        new MountRequest(
            mountPoint, source, "coffertest", false, false, true, false, false, true, List.of());
    return FuseMount.mount(request, files, options);
  }

  public static void main(String[] arguments) throws Exception {
    var files = new MemoryFilesystem();
    FuseMount mount =
        mount(
            Path.of(arguments[0]),
            "mem,ory",
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
