package io.coffer.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SourceTreeTest {
  @TempDir Path directory = Path.of("");

  @Test
  void tarUnpacksItToTheFilesAskedForWithDirectoriesAndLinks() throws Exception {
    Path tar = directory.resolve("tree.tar");
    SourceTree.write(tar, 8000);
    run("tar", "xf", tar.toString(), "-C", directory.toString());
    try (var walk = Files.walk(directory.resolve("tree"))) {
      List<Path> all = walk.toList();
      List<Path> files = all.stream().filter(SourceTreeTest::isFile).toList();
      assertEquals(8000, files.size());
      assertEquals(2, all.stream().filter(Files::isSymbolicLink).count());
      assertTrue(all.stream().filter(Files::isSymbolicLink).allMatch(Files::exists));
      long bytes = 0;
      for (Path file : files) {
        bytes += Files.size(file);
      }
      double mean = bytes / 8000.0;
      assertTrue(mean > 5000 && mean < 7000, "mean size " + mean);
      int deepest = all.stream().mapToInt(Path::getNameCount).max().orElse(0);
      assertTrue(deepest - directory.getNameCount() > 5, "deepest " + deepest);
    }
  }

  @Test
  void itIsTheSameEachTime() throws IOException {
    Path one = directory.resolve("one.tar");
    Path two = directory.resolve("two.tar");
    SourceTree.write(one, 300);
    SourceTree.write(two, 300);
    assertEquals(-1, Files.mismatch(one, two));
  }

  private static boolean isFile(Path path) {
    return Files.isRegularFile(path, java.nio.file.LinkOption.NOFOLLOW_LINKS);
  }

  private static void run(String... command) throws Exception {
    assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor());
  }
}
