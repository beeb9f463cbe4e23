package io.coffer.mount;

import io.coffer.fuse.Caller;
import io.coffer.posix.Credentials;
import io.coffer.posix.ErrnoException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Lets operations that make something run as the caller, so that what they make belongs to the
 * caller and network stores see the right user. Only where this process is root and the caller is
 * not: an ordinary user's mount serves that user alone.
 */
final class CallerCredentials {
  private static final Pattern SPACE = Pattern.compile("\\s+");

  private final boolean active;
  private final int[] ownGroups;

  CallerCredentials(boolean active) {
    this.active = active;
    this.ownGroups = active ? groupsOf("self") : new int[0];
  }

  interface Operation<T> {
    T run() throws ErrnoException;
  }

  <T> T as(Caller caller, Operation<T> operation) throws ErrnoException {
    if (!active || (caller.uid() == 0 && caller.gid() == 0)) {
      return operation.run();
    }
    Credentials.actAs(caller.uid(), caller.gid(), groupsOf(Integer.toString(caller.pid())));
    try {
      return operation.run();
    } finally {
      Credentials.actAsSelf(ownGroups);
    }
  }

  /** Supplementary groups of a thread; none if it is gone or in another process namespace. */
  private static int[] groupsOf(String thread) {
    try (Stream<String> lines = Files.lines(Path.of("/proc", thread, "status"))) {
      return lines
          .filter(line -> line.startsWith("Groups:"))
          .flatMap(line -> SPACE.splitAsStream(line.substring("Groups:".length()).strip()))
          .filter(text -> !text.isEmpty())
          .mapToInt(Integer::parseUnsignedInt)
          .toArray();
    } catch (IOException | RuntimeException e) {
      return new int[0];
    }
  }
}
