package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The kernel's table of mounts. */
final class Mounts {
  private Mounts() {}

  /** A line of /proc/self/mounts. */
  record Line(String source, Path where, String type, String options) {}

  static List<Line> all() {
    try {
      return Files.readAllLines(Path.of("/proc/self/mounts"), StandardCharsets.ISO_8859_1).stream()
          .map(line -> line.split(" ", -1))
          .map(w -> new Line(w[0], Path.of(w[1].replace("\\040", " ")), w[2], w[3]))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Mount points at or beneath a path, in the order they were made. */
  static List<Path> below(Path root) {
    return all().stream().map(Line::where).filter(where -> where.startsWith(root)).toList();
  }

  static boolean isMounted(Path where) {
    return all().stream().anyMatch(line -> line.where().equals(where));
  }
}
