package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.ScryptParameters;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** How fast one processor core seals and opens contents, in memory. */
public final class SpeedTest {
  /** What the kernel writes at once. */
  private static final int REQUEST_BYTES = 128 << 10;

  private static final long WARM_UP_NANOS = 500_000_000L;
  private static final long MEASURE_NANOS = 500_000_000L;

  /**
   * Speed of a cipher.
   *
   * @param sealBytesPerSecond plain bytes a second when writing
   * @param openBytesPerSecond plain bytes a second when reading
   */
  public record Result(
      GocryptfsCipher cipher, double sealBytesPerSecond, double openBytesPerSecond) {}

  private interface Step {
    void run() throws BlockException;
  }

  private SpeedTest() {}

  /** Takes about two seconds. */
  public static Result measure(GocryptfsCipher cipher) throws FormatException, BlockException {
    try (SecretBytes key = SecretBytes.random(GocryptfsConfig.MASTER_KEY_BYTES);
        GocryptfsFormat format = new GocryptfsFormat(config(cipher), key, true);
        Arena arena = Arena.ofConfined()) {
      ContentLayout layout = format.layout();
      ContentCipher contents = format.contents(format.newFileHeader());
      MemorySegment plain = arena.allocate(REQUEST_BYTES, 4096);
      MemorySegment stored =
          arena.allocate(
              REQUEST_BYTES / layout.blockBytes() * (long) layout.storedBlockBytes(), 4096);
      int storedBytes = contents.seal(0, plain, 0, REQUEST_BYTES, stored, 0);
      return new Result(
          cipher,
          rate(() -> contents.seal(0, plain, 0, REQUEST_BYTES, stored, 0)),
          rate(() -> contents.open(0, stored, 0, storedBytes, plain, 0)));
    }
  }

  private static double rate(Step step) throws BlockException {
    repeat(step, WARM_UP_NANOS);
    return repeat(step, MEASURE_NANOS);
  }

  private static double repeat(Step step, long nanos) throws BlockException {
    long begin = System.nanoTime();
    long requests = 0;
    long elapsed;
    do {
      step.run();
      requests++;
      elapsed = System.nanoTime() - begin;
    } while (elapsed < nanos);
    return 1e9 * requests * REQUEST_BYTES / elapsed;
  }

  private static GocryptfsConfig config(GocryptfsCipher cipher) {
    List<FeatureFlag> flags = new ArrayList<>(List.of(FeatureFlag.HKDF));
    flags.add(
        cipher == GocryptfsCipher.XCHACHA20_POLY1305
            ? FeatureFlag.XCHACHA20_POLY1305
            : FeatureFlag.GCM_IV_128);
    if (cipher == GocryptfsCipher.AES_SIV) {
      flags.add(FeatureFlag.AES_SIV);
    }
    return new GocryptfsConfig(
        "", new byte[0], ScryptParameters.create(ScryptParameters.MIN_LOG_N), flags, 0, null);
  }

  /** The processor's name and whether it has instructions for AES, from /proc/cpuinfo. */
  public static String processor() {
    String name = System.getProperty("os.arch");
    boolean aes = false;
    try {
      for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/cpuinfo"))) {
        int colon = line.indexOf(':');
        if (colon < 0) {
          continue;
        }
        String title = line.substring(0, colon).strip();
        String value = line.substring(colon + 1).strip();
        if (title.equals("model name")) {
          name = value;
        } else if (title.equals("flags") || title.equals("Features")) {
          aes |= (" " + value + " ").contains(" aes ");
        }
      }
    } catch (java.io.IOException e) {
      return name;
    }
    return name + "; " + (aes ? "with" : "without") + " AES acceleration";
  }
}
