package io.coffer.fuse;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The administrator's switch for FUSE over io_uring, on while a class of tests runs. Skips them
 * where the kernel has no such thing, or only root could switch it on.
 */
final class IoUringSwitch implements BeforeAllCallback, AfterAllCallback {
  private static final Path SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");

  private boolean switchedOn;

  @Override
  public void beforeAll(ExtensionContext context) throws IOException {
    assumeTrue(Files.exists(SWITCH), "SKIPPED: this kernel has no FUSE over io_uring");
    if (!Files.readString(SWITCH).startsWith("Y")) {
      assumeTrue(Files.isWritable(SWITCH), "SKIPPED: FUSE over io_uring is switched off");
      Files.writeString(SWITCH, "Y");
      switchedOn = true;
    }
  }

  @Override
  public void afterAll(ExtensionContext context) throws IOException {
    if (switchedOn) {
      Files.writeString(SWITCH, "N");
    }
  }
}
