package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import java.nio.file.Path;
import java.time.Clock;

/** A key server in a process of its own, to be killed. */
final class ServerProcess {
  private ServerProcess() {}

  /**
   * @param args the server's directory
   */
  public static void main(String[] args) throws Exception {
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
