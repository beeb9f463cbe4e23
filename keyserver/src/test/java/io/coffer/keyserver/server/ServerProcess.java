package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import java.nio.file.Path;
import java.time.Clock;

/** A key server in a process of its own, to be killed. */
final class ServerProcess {
  private ServerProcess() {}

  /** Has everything on the heap moved as often as that goes. */
  @SuppressWarnings({"BusyWait"})
  private static void collect() {
    try {
      while (true) {
        System.gc();
        Thread.sleep(10);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * @param args the server's directory, and {@code collect} if the collector is to run all the time
   */
  public static void main(String[] args) throws Exception {
    if (args.length > 1) {
      Thread.ofPlatform().daemon().start(ServerProcess::collect);
    }
    java.util.logging.Logger.getLogger("io.helidon").setLevel(java.util.logging.Level.WARNING);
    ServerHome home = ServerHome.open(Path.of(args[0]));
    try (KeyServer server =
            KeyServer.start(
                home, home.listen(), TestServer.LIMITS, KeyServer.GRACE, Clock.systemUTC());
        SecretBytes passphrase = TestServer.passphrase()) {
      server.unseal(passphrase);
      System.out.println("open");
      // Until it is killed, or whoever started it has gone.
      System.in.transferTo(java.io.OutputStream.nullOutputStream());
    }
  }
}
