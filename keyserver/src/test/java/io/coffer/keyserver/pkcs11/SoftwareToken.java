package io.coffer.keyserver.pkcs11;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/** Tokens in software (SoftHSM), in a directory of their own, for this process and its children. */
public final class SoftwareToken {
  public static final String PIN = "4711-0815";

  private static final List<Path> LIBRARIES =
      List.of(
          Path.of("/usr/lib/softhsm/libsofthsm2.so"),
          Path.of("/usr/lib64/pkcs11/libsofthsm2.so"),
          Path.of("/usr/lib64/libsofthsm2.so"));

  private final Path configuration;

  private SoftwareToken(Path configuration) {
    this.configuration = configuration;
  }

  /** Makes a place for tokens, and points this process to it; skips the test without SoftHSM. */
  public static SoftwareToken in(Path directory) throws Exception {
    Assumptions.assumeTrue(LIBRARIES.stream().anyMatch(Files::exists), "SoftHSM is not installed");
    Path tokens = Files.createDirectories(directory.resolve("tokens"));
    Path file = directory.resolve("softhsm2.conf");
    Files.writeString(file, "directories.tokendir = " + tokens + "\nobjectstore.backend = file\n");
    setEnvironment("SOFTHSM2_CONF", file.toString());
    return new SoftwareToken(file);
  }

  /** The library looks into the environment of the process; Java cannot change its own. */
  private static void setEnvironment(String name, String value) {
    try (Arena arena = Arena.ofConfined()) {
      Linker linker = Linker.nativeLinker();
      int failed =
          (int)
              linker
                  .downcallHandle(
                      linker.defaultLookup().find("setenv").orElseThrow(),
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_INT,
                          ValueLayout.ADDRESS,
                          ValueLayout.ADDRESS,
                          ValueLayout.JAVA_INT))
                  .invokeExact(arena.allocateFrom(name), arena.allocateFrom(value), 1);
      if (failed != 0) {
        throw new IOException("setenv");
      }
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  public static Path library() {
    return LIBRARIES.stream().filter(Files::exists).findFirst().orElseThrow();
  }

  /** The value for SOFTHSM2_CONF. */
  public Path configuration() {
    return configuration;
  }

  /** Makes a token. */
  public void make(String label) throws Exception {
    util("--init-token", "--free", "--label", label, "--so-pin", "security", "--pin", PIN);
  }

  /** Runs softhsm2-util. */
  public void util(String... words) throws Exception {
    List<String> command = new java.util.ArrayList<>(List.of("softhsm2-util"));
    command.addAll(List.of(words));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("SOFTHSM2_CONF", configuration.toString());
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new AssertionError(command + ": " + said);
    }
  }
}
