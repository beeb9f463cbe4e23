package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Way;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;

/**
 * Changes the seals of a server that is not running: the ways by which it opens. Each change is in
 * its audit log. Not thread-safe.
 */
public final class ServerSeals implements AutoCloseable {
  /** Opens the root key, in order to seal it once more. */
  public interface Opener {
    Seal.Opened open(Seal seal) throws SealException, IOException;
  }

  private final ServerHome home;
  private final Engine engine;
  private final AuditLog audit;

  private ServerSeals(ServerHome home, Engine engine, AuditLog audit) {
    this.home = home;
    this.engine = engine;
    this.audit = audit;
  }

  /**
   * Begins.
   *
   * @throws IOException if the server runs
   */
  public static ServerSeals open(ServerHome home, Clock clock) throws IOException {
    AuditLog audit = AuditLog.open(home.auditLog(), home.auditKey(), home.auditPublicKey(), clock);
    try {
      return new ServerSeals(home, home.openEngine(false), audit);
    } catch (IOException | RuntimeException e) {
      audit.close();
      throw e;
    }
  }

  /** Reads the seal, whether the server runs or not. */
  public static Seal read(ServerHome home) throws IOException {
    if (home.etcd() != null) {
      try (Engine engine = home.openEngine(false)) {
        return Seal.load(engine);
      }
    }
    Path directory = Files.createTempDirectory("coffer-seal");
    Path copy = directory.resolve("store.db");
    try {
      SqliteEngine.copy(home.store(), copy);
      try (Engine engine = SqliteEngine.open(copy)) {
        return Seal.load(engine);
      }
    } finally {
      ServerBackup.removeContents(directory);
      Files.delete(directory);
    }
  }

  /** Opens the root key by the server's own TPM or token. */
  public static Seal.Opened openByHardware(ServerHome home, Seal seal, Pins.Prompt prompt)
      throws SealException, IOException {
    return new HardwareSeals(home).open(seal, prompt);
  }

  /** The seal as it is. */
  public Seal seal() throws IOException {
    return Seal.load(engine);
  }

  /**
   * Adds a way to open the server.
   *
   * @param opener by a way that it has already
   * @param extra adds the new one
   * @param hardware by which it opens itself from now on
   */
  public void add(Opener opener, ServerHome.Extra extra, Hardware hardware)
      throws SealException, IOException {
    Seal old = seal();
    try (Seal.Opened opened = opener.open(old)) {
      SecretBytes root = opened.root();
      Seal changed = extra.addTo(old, root);
      Seal.Slot added = changed.slots().getLast();
      // Which device is asked stands first: without the slot it does no harm.
      home.setHardware(hardware);
      changed.store(engine);
      log("seal.add", added, "opened by " + opened.by());
    }
  }

  /**
   * Removes a way to open the server; the last that people have stays.
   *
   * @throws SealException if it is the last, or there is none of that name
   */
  public void remove(String name) throws SealException, IOException {
    Seal old = seal();
    Seal changed = old.without(name);
    if (changed.slots().stream().allMatch(slot -> slot.way().isHardware())) {
      throw new SealException(
          "without '" + name + "' only hardware would open the server, and hardware breaks",
          "Add a passphrase or a quorum first: coffer keyserver seals add --seal passphrase "
              + home.directory());
    }
    Seal.Slot removed =
        old.slots().stream().filter(slot -> slot.name().equals(name)).findFirst().orElseThrow();
    changed.store(engine);
    Hardware hardware = home.hardware();
    if (removed.way() instanceof Way.Tpm
        && changed.slots().stream().noneMatch(slot -> slot.way() instanceof Way.Tpm)) {
      home.setHardware(hardware.withTpm(null));
    } else if (removed.way() instanceof Way.Token
        && changed.slots().stream().noneMatch(slot -> slot.way() instanceof Way.Token)) {
      home.setHardware(hardware.withPkcs11(null));
    }
    log("seal.remove", removed, "");
  }

  private void log(String action, Seal.Slot slot, String more) throws IOException {
    String what = slot.way().description();
    audit.append(
        new AuditEvent(
            "server",
            "",
            action,
            slot.name(),
            "granted",
            more.isEmpty() ? what : what + "; " + more));
  }

  @Override
  public void close() throws IOException {
    try {
      engine.close();
    } finally {
      audit.close();
    }
  }
}
