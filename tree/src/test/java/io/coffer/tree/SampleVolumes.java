package io.coffer.tree;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Volumes that released versions of gocryptfs wrote, outside this repository: the folder {@code
 * volumes} below the directory that the system property {@code coffer.shared} or the environment
 * variable COFFER_SHARED names, by default {@code shared} beside the repository.
 */
final class SampleVolumes {
  static final String PASSWORD = "test";

  private SampleVolumes() {}

  /** The directory of a volume; aborts the test, saying so, if the volumes are not there. */
  static Path directory(String name) {
    Path volumes = shared().resolve("volumes");
    boolean there = Files.isDirectory(volumes);
    if (!there) {
      System.err.println("SKIPPED: no sample volumes at " + volumes + "; set COFFER_SHARED");
    }
    assumeTrue(there, "no sample volumes at " + volumes + "; set COFFER_SHARED");
    return volumes.resolve(name);
  }

  private static Path shared() {
    String given = System.getProperty("coffer.shared", System.getenv("COFFER_SHARED"));
    if (given != null) {
      return Path.of(given);
    }
    Path directory = Path.of("").toAbsolutePath();
    while (directory != null && !Files.exists(directory.resolve("LICENSE"))) {
      directory = directory.getParent();
    }
    return directory == null ? Path.of("") : directory.resolveSibling("shared");
  }
}
