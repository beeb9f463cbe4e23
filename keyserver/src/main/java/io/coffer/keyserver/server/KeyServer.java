package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.login.KeystoneLogin;
import io.coffer.keyserver.login.Logins;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * A running key server: HTTP over TLS 1.3, and nobody gets as far as a request without a
 * certificate. Starts sealed.
 */
public final class KeyServer implements AutoCloseable {
  /** How long a deleted key can be restored. */
  public static final Duration GRACE = Duration.ofDays(30);

  private final Engine engine;
  private final @Nullable SharedRevocations revocations;
  private final AuditLog audit;
  private final ServerState state;
  private final Api api;
  private final Listener web;
  private final @Nullable Listener doorWeb;
  private final AtomicBoolean closed = new AtomicBoolean();

  private KeyServer(
      Engine engine,
      @Nullable SharedRevocations revocations,
      AuditLog audit,
      ServerState state,
      Api api,
      Listener web,
      @Nullable Listener doorWeb) {
    this.engine = engine;
    this.revocations = revocations;
    this.audit = audit;
    this.state = state;
    this.api = api;
    this.web = web;
    this.doorWeb = doorWeb;
  }

  /**
   * Starts a server.
   *
   * @param listen where; port 0 lets the system choose
   */
  public static KeyServer start(
      ServerHome home, ServerHome.Listen listen, Limits limits, Duration grace, Clock clock)
      throws IOException {
    return start(home, listen, null, limits, grace, clock);
  }

  /**
   * Starts a server.
   *
   * @param listen where; port 0 lets the system choose
   * @param doorListen where the Barbican-compatible door is; null for none
   * @throws IOException if it cannot listen, or for a door without Keystone in logins.json
   */
  public static KeyServer start(
      ServerHome home,
      ServerHome.Listen listen,
      ServerHome.@Nullable Listen doorListen,
      Limits limits,
      Duration grace,
      Clock clock)
      throws IOException {
    TrustedAuthority authority =
        new TrustedAuthority(Pem.readCertificate(home.authority()), home.revocationList());
    Set<Profile> callers = EnumSet.complementOf(EnumSet.of(Profile.SERVER));
    SSLContext context =
        authority.context(
            Pem.readCertificate(home.certificate("server")),
            Pem.readPrivateKey(home.key("server"), "EC"),
            callers);
    Logins logins = Logins.read(home.directory().resolve("logins.json"), clock);
    AuditLog audit = AuditLog.open(home.auditLog(), home.auditKey(), home.auditPublicKey(), clock);
    Engine engine = null;
    SharedRevocations revocations = null;
    try {
      engine = home.openEngine(true);
      if (engine.isShared()) {
        revocations =
            new SharedRevocations(
                engine, Pem.readCertificate(home.authority()), home.revocationList());
      }
      ServerState state = new ServerState(engine, audit, new HardwareSeals(home), clock, grace);
      Api api = new Api(state, audit, authority, logins, limits, clock);
      Door door = null;
      if (doorListen != null) {
        KeystoneLogin keystone =
            logins
                .keystone()
                .orElseThrow(() ->
                    new IOException(
                        "the Barbican door needs Keystone, to tell who calls; add"
                            + " {\"keystone\":{\"url\":\"https://...:5000\"}} to "
                            + home.directory().resolve("logins.json")));
        door = new Door(state, audit, keystone, limits, clock);
      }
      Listener web = Listener.start(listen, context, true, limits, api, audit);
      Listener doorWeb = null;
      try {
        if (doorListen != null && door != null) {
          doorWeb = Listener.start(doorListen, context, false, limits, door, audit);
        }
      } catch (IOException | RuntimeException e) {
        web.close();
        throw e;
      }
      KeyServer server = new KeyServer(engine, revocations, audit, state, api, web, doorWeb);
      server.log("server.start");
      return server;
    } catch (IOException | RuntimeException e) {
      if (revocations != null) {
        revocations.close();
      }
      if (engine != null) {
        engine.close();
      }
      audit.close();
      throw e;
    }
  }

  private void log(String action) throws IOException {
    audit.append(new AuditEvent("server", "", action, "", "granted", ""));
  }

  /** The port it listens on. */
  public int port() {
    return web.port();
  }

  /** The port of the Barbican-compatible door; 0 if there is none. */
  public int doorPort() {
    return doorWeb == null ? 0 : doorWeb.port();
  }

  /** Opens the seal with a passphrase, without the network. */
  public void unseal(SecretBytes passphrase) throws SealException, EngineException, IOException {
    state.unseal(passphrase);
    logUnsealed();
  }

  /**
   * Opens the seal by the server's own TPM or token.
   *
   * @param prompt asks for the PIN of a token
   * @throws SealException if they do not open it, which is logged; the message says why and what to
   *     do
   */
  public void unsealByHardware(Pins.Prompt prompt) throws SealException, IOException {
    try {
      state.unsealByHardware(prompt);
    } catch (SealException e) {
      audit.append(
          new AuditEvent(
              "server", "", "server.unseal", "", "refused", String.valueOf(e.getMessage())));
      throw e;
    }
    logUnsealed();
  }

  private void logUnsealed() throws IOException {
    audit.append(
        new AuditEvent(
            "server", "", "server.unseal", "", "granted", state.openedBy() + " at start"));
  }

  /** What the server was opened by, the name of a seal; null while it is sealed. */
  public @Nullable String openedBy() {
    return state.openedBy();
  }

  public boolean isSealed() {
    return state.isSealed();
  }

  /**
   * Stops listening, lets what is under way finish for two seconds, and forgets every key. Closing
   * again does nothing.
   */
  @Override
  public void close() throws IOException {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    api.stop();
    web.close();
    if (doorWeb != null) {
      doorWeb.close();
    }
    state.close();
    if (revocations != null) {
      revocations.close();
    }
    try (audit;
        engine) {
      log("server.stop");
    }
  }
}
