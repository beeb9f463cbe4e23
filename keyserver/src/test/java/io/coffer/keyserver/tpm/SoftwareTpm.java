package io.coffer.keyserver.tpm;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** A TPM in software (swtpm), new and in a process of its own. */
public final class SoftwareTpm implements AutoCloseable {
  private final Path directory;
  private final int port;
  private Process process;

  private SoftwareTpm(Path directory, int port, Process process) {
    this.directory = directory;
    this.port = port;
    this.process = process;
  }

  /** Is there a program of this name? */
  public static boolean installed(String program) {
    return Arrays.stream(System.getenv("PATH").split(":", -1))
        .anyMatch(place -> Files.isExecutable(Path.of(place, program)));
  }

  /**
   * Starts one, and waits until it answers.
   *
   * @param directory for its state; made if it is not there
   */
  public static SoftwareTpm start(Path directory) throws Exception {
    Files.createDirectories(directory);
    int port = twoFreePorts();
    SoftwareTpm tpm = new SoftwareTpm(directory, port, startProcess(directory, port));
    tpm.await();
    return tpm;
  }

  private static Process startProcess(Path directory, int port) throws IOException {
    return new ProcessBuilder(
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            "dir=" + directory,
            "--server",
            "type=tcp,bindaddr=127.0.0.1,port=" + port,
            "--ctrl",
            "type=tcp,bindaddr=127.0.0.1,port=" + (port + 1),
            "--flags",
            "not-need-init,startup-clear")
        .redirectErrorStream(true)
        .redirectOutput(directory.resolve("swtpm.log").toFile())
        .start();
  }

  private void await() throws Exception {
    long start = System.nanoTime();
    while (true) {
      try (TpmChannel channel = TpmChannel.open(where());
          TpmSealer _ = new TpmSealer(channel)) {
        return;
      } catch (IOException e) {
        if (System.nanoTime() - start > Duration.ofSeconds(60).toNanos()) {
          throw e;
        }
        Thread.sleep(20);
      }
    }
  }

  /** Switches the machine off and on: registers begin anew, keys stay. */
  public void reboot() throws Exception {
    close();
    process = startProcess(directory, port);
    await();
  }

  /**
   * The lower of two neighbours: the TPM, and its control channel, which tpm2-tools expect there.
   */
  private static int twoFreePorts() throws IOException {
    for (int i = 0; i < 100; i++) {
      int lower;
      try (ServerSocket first = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        lower = first.getLocalPort();
      }
      if (lower < 65535 && isFree(lower + 1)) {
        return lower;
      }
    }
    throw new IOException("no two free ports");
  }

  private static boolean isFree(int wanted) {
    try (ServerSocket socket = new ServerSocket(wanted, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort() == wanted;
    } catch (IOException e) {
      return false;
    }
  }

  /** For {@link TpmChannel#open}. */
  public String where() {
    return "tcp:127.0.0.1:" + port;
  }

  /** For the environment variable TPM2TOOLS_TCTI. */
  public String forTools() {
    return "swtpm:host=127.0.0.1,port=" + port;
  }

  /** Extends a register of the SHA-256 bank by 32 bytes of 0x11, as an update would change it. */
  public void extend(int register) throws IOException {
    byte[] digest = new byte[32];
    Arrays.fill(digest, (byte) 0x11);
    byte[] command =
        new Fields.Writer()
            .u16(Tpm.ST_SESSIONS)
            .u32(10 + 4 + 13 + 4 + 2 + 32)
            .u32(0x182)
            .u32(register)
            .bytes(TpmCommands.authorization(0))
            .u32(1)
            .u16(Tpm.ALG_SHA256)
            .bytes(digest)
            .toBytes();
    try (TpmChannel channel = TpmChannel.open(where())) {
      int code = ByteBuffer.wrap(channel.transmit(command)).getInt(6);
      if (code != 0) {
        throw new IOException("TPM2_PCR_Extend: 0x" + Integer.toHexString(code));
      }
    }
  }

  @Override
  public void close() throws IOException {
    process.destroy();
    try {
      process.waitFor(20, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while the TPM stops", e);
    }
  }
}
