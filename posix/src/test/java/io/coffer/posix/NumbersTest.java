package io.coffer.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class NumbersTest {
  private static final Pattern DEFINITION =
      Pattern.compile("#define __NR(?:3264)?_(\\w+)\\s+(\\d+)");

  /** The kernel's headers as Debian and Red Hat install them. */
  private static final Path X86_HEADER =
      Files.exists(Path.of("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"))
          ? Path.of("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
          : Path.of("/usr/include/asm/unistd_64.h");

  @Test
  void areThoseOfTheKernelsHeaders() throws Exception {
    Path header =
        Architecture.IS_X86_64 ? X86_HEADER : Path.of("/usr/include/asm-generic/unistd.h");
    if (!Files.exists(header)) {
      System.err.println("SKIPPED: no kernel headers at " + header + " (linux-libc-dev)");
    }
    assumeTrue(Files.exists(header), "no kernel headers at " + header);
    Map<String, Integer> known = new HashMap<>();
    for (String line : Files.readAllLines(header)) {
      var matcher = DEFINITION.matcher(line);
      if (matcher.find()) {
        known.put(matcher.group(1), Integer.valueOf(matcher.group(2)));
      }
    }
    int compared = 0;
    for (var field : Numbers.class.getDeclaredFields()) {
      if (field.getType() == int.class) {
        String name = field.getName().toLowerCase(Locale.ROOT);
        // Neither header of aarch64's family calls these by the names of x86-64.
        if (known.containsKey(name)) {
          assertEquals(known.get(name), field.getInt(null), name);
          compared++;
        }
      }
    }
    assertTrue(compared > 60, compared + " numbers compared");
  }
}
