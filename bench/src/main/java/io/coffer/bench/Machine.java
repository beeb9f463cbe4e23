package io.coffer.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where a comparison ran.
 *
 * @param memoryGibibytes of the machine
 * @param storage type of the filesystem that held the ciphertext, as the kernel names it
 * @param javaVersion of this program, which is the client of some measurements
 */
record Machine(
    String processor,
    int processors,
    double memoryGibibytes,
    String kernel,
    String storage,
    String javaVersion) {

  static Machine describe(Path store) throws IOException {
    return new Machine(
        field(Path.of("/proc/cpuinfo"), "model name", System.getProperty("os.arch")),
        Runtime.getRuntime().availableProcessors(),
        memory("MemTotal") / 1024.0 / 1024 / 1024,
        "Linux " + System.getProperty("os.version"),
        Files.getFileStore(store).type(),
        System.getProperty("java.version"));
  }

  /** Bytes that programs could have without anything being swapped out. */
  static long availableMemory() throws IOException {
    return memory("MemAvailable");
  }

  private static long memory(String name) throws IOException {
    String kibibytes = field(Path.of("/proc/meminfo"), name, "0").replaceAll("[^0-9]", "");
    return Long.parseLong(kibibytes) * 1024;
  }

  private static String field(Path file, String name, String otherwise) throws IOException {
    try (var lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith(name))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(otherwise);
    }
  }

  @Override
  public String toString() {
    return "%s, %d processors, %.0f GiB memory, %s, store on %s, Java %s"
        .formatted(processor, processors, memoryGibibytes, kernel, storage, javaVersion);
  }
}
