package io.coffer.acceptance;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Where the product under test lies. */
final class Reactor {
  private Reactor() {}

  /** The directory that holds the launcher; property {@code coffer.root} overrides. */
  static Path root() {
    String given = System.getProperty("coffer.root");
    if (given != null) {
      return Path.of(given).toAbsolutePath();
    }
    Path at = Path.of("").toAbsolutePath();
    while (at != null && !Files.isDirectory(at.resolve("acceptance"))) {
      at = at.getParent();
    }
    if (at == null) {
      throw new IllegalStateException("no reactor root above " + Path.of("").toAbsolutePath());
    }
    return at;
  }

  static Path coffer() {
    return root().resolve("coffer");
  }

  static Path gocryptfs() {
    return root().resolve("bin/gocryptfs");
  }

  /**
   * Volumes that released versions of gocryptfs wrote: {@code $COFFER_SHARED/volumes}, or
   * ../shared/volumes beside the reactor root.
   */
  static Optional<Path> volumes() {
    String given = System.getenv("COFFER_SHARED");
    Path shared = given != null ? Path.of(given) : root().resolveSibling("shared");
    Path volumes = shared.resolve("volumes");
    return Files.isDirectory(volumes) ? Optional.of(volumes) : Optional.empty();
  }

  /** Property {@code coffer.test.long=true} lets tests take their full size. */
  static boolean longRun() {
    return Boolean.getBoolean("coffer.test.long");
  }
}
