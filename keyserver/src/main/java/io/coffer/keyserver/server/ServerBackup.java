package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditInUseException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Backups of a key server's directory, taken while it runs: the store as of one moment, the audit
 * log up to a signed entry not older than that, and the small files as they are. {@value #MANIFEST}
 * lists them with their SHA-256 and is written last. A backup holds the same secrets as the
 * directory, the private keys among them; of the store, only ciphertext.
 */
public final class ServerBackup {
  private static final String ANOTHER = "; nothing was restored, take another backup";
  private static final String MANIFEST = "backup.json";
  private static final String FORMAT = "coffer keyserver backup 1";
  private static final String STORE = "store.db";
  private static final String LOG = "audit.jsonl";
  private static final String SETTINGS = "server.json";
  private static final String FILE_NAME = "(?!\\.)[A-Za-z0-9._-]{1,128}";
  private static final String PATH = "(" + FILE_NAME + "/){0,3}" + FILE_NAME;

  private ServerBackup() {}

  /** Has a server that runs write into its audit log that a backup is taken. */
  public interface Witness<X extends Exception> {
    void log(Path target) throws IOException, X;
  }

  /**
   * Takes a backup. Before anything is copied, the server's audit log says so: the server writes it
   * if it runs, or else this does.
   *
   * @param target a new or empty directory
   * @param witness asked only if the server runs
   * @return where the audit log of the backup ends, in which the backup is
   * @throws IOException if the audit log is not whole, or a file cannot be read or written
   */
  public static <X extends Exception> AuditLog.Head backUp(
      ServerHome home, Path target, Witness<X> witness, Clock clock) throws IOException, X {
    requireEmpty(target);
    boolean complete = false;
    try {
      try (AuditLog log =
          AuditLog.open(home.auditLog(), home.auditKey(), home.auditPublicKey(), clock)) {
        log.append(
            new AuditEvent(
                "server", "", "server.backup", "", "granted", reason(target.toString())));
      } catch (AuditInUseException e) {
        witness.log(target);
      }
      home.copyStore(target.resolve(STORE));
      AuditLog.Head head =
          AuditLog.copy(home.auditLog(), home.auditPublicKey(), target.resolve(LOG));
      for (Path file : smallFiles(home.directory())) {
        Path copy = target.resolve(home.directory().relativize(file).toString());
        DurableFiles.createPrivateDirectory(parentOf(copy));
        DurableFiles.writePrivate(copy, Files.readAllBytes(file));
      }
      writeManifest(target, head, clock);
      complete = true;
      return head;
    } finally {
      if (!complete) {
        removeContents(target);
      }
    }
  }

  /** What the log says of a backup. */
  static String reason(String target) {
    return "to " + target;
  }

  /** What a server keeps beside its store and its log: settings, certificates, keys. */
  private static List<Path> smallFiles(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory, 3)) {
      return files
          .filter(file -> Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
          .filter(file -> {
            String name = directory.relativize(file).toString();
            return !name.startsWith(STORE) && !name.startsWith(LOG) && name.matches(PATH);
          })
          .sorted()
          .toList();
    }
  }

  private static void writeManifest(Path target, AuditLog.Head head, Clock clock)
      throws IOException {
    List<JsonObject> files = new ArrayList<>();
    try (Stream<Path> all = Files.walk(target)) {
      for (Path file : all.filter(Files::isRegularFile).sorted().toList()) {
        files.add(
            new JsonObject()
                .put("name", target.relativize(file).toString())
                .put("bytes", Files.size(file))
                .put("sha256", sha256(file)));
      }
    }
    DurableFiles.writePrivate(
        target.resolve(MANIFEST),
        new JsonObject()
            .put("format", FORMAT)
            .put("time", clock.instant().truncatedTo(ChronoUnit.SECONDS).toString())
            .put("audit_head", head.toString())
            .put("files", files)
            .toBytes());
  }

  /**
   * What was restored.
   *
   * @param time when the backup was taken
   * @param records of the store; -1 if they were not compared with its ledger, for want of the
   *     passphrase
   */
  public record Restored(String time, AuditLog.Head head, int records) {}

  /**
   * Makes the directory of a server from a backup, after comparing every file with the manifest and
   * verifying the audit log.
   *
   * @param directory new or empty
   * @param passphrase to open the store and compare every record with its ledger; null to leave
   *     that to the first start
   * @param earlier an end of the log noted earlier, which the backup must still contain; or null
   * @param listen what the restored server listens on; null for what the old one did
   */
  public static Restored restore(
      Path backup,
      Path directory,
      @Nullable SecretBytes passphrase,
      AuditLog.@Nullable Head earlier,
      ServerHome.@Nullable Listen listen,
      Clock clock)
      throws IOException, SealException {
    readManifest(backup);
    return restore(backup, directory, passphrase, earlier, listen, oldEtcd(backup), clock);
  }

  /** Where the store of a backup was; null if it was embedded. */
  public static @Nullable EtcdSettings oldEtcd(Path backup) throws IOException {
    readManifest(backup);
    return ServerHome.open(backup).etcd();
  }

  /**
   * Makes the directory of a server from a backup, and puts the store where it is wanted.
   *
   * @param etcd a cluster, with a prefix under which nothing is yet; null for an embedded store
   * @see #restore(Path, Path, SecretBytes, AuditLog.Head, ServerHome.Listen, Clock)
   */
  public static Restored restore(
      Path backup,
      Path directory,
      @Nullable SecretBytes passphrase,
      AuditLog.@Nullable Head earlier,
      ServerHome.@Nullable Listen listen,
      @Nullable EtcdSettings etcd,
      Clock clock)
      throws IOException, SealException {
    JsonObject manifest = readManifest(backup);
    String time;
    List<String> names;
    try {
      time = manifest.string("time");
      names = compare(backup, manifest);
    } catch (JsonException e) {
      throw new IOException(backup.resolve(MANIFEST) + " is malformed: " + e.getMessage(), e);
    }
    AuditLog.Head head =
        AuditLog.verify(
            backup.resolve(LOG),
            ServerHome.readAuditPublicKey(backup.resolve("audit.pem")),
            earlier);
    requireEmpty(directory);
    boolean complete = false;
    try {
      for (String name : names) {
        if (!name.equals(SETTINGS)) {
          Path copy = directory.resolve(name);
          DurableFiles.createPrivateDirectory(parentOf(copy));
          copyPrivate(backup.resolve(name), copy);
        }
      }
      int records = -1;
      try (SqliteEngine engine = SqliteEngine.open(directory.resolve(STORE))) {
        engine.check();
        if (passphrase != null) {
          try (Seal.Opened opened = Seal.load(engine).open(passphrase);
              LockBoxes boxes =
                  LockBoxes.open(engine, opened.root(), clock, Duration.ofDays(36_500))) {
            records = (int) boxes.size()[0];
          }
        }
      }
      ServerHome old = ServerHome.open(backup);
      ServerHome.Listen where = listen == null ? old.listen() : listen;
      ServerHome home = ServerHome.at(directory);
      home.writeSettings(
          old.name(),
          where.host(),
          where.port(),
          etcd == null ? null : home.moveStore(etcd),
          old.hardware());
      try (AuditLog log =
          AuditLog.open(home.auditLog(), home.auditKey(), home.auditPublicKey(), clock)) {
        log.append(
            new AuditEvent(
                "server", "", "server.restore", "", "granted", "from the backup of " + time));
      }
      complete = true;
      return new Restored(time, head, records);
    } finally {
      if (!complete) {
        removeContents(directory);
      }
    }
  }

  private static JsonObject readManifest(Path backup) throws IOException {
    Path file = backup.resolve(MANIFEST);
    if (!Files.exists(file)) {
      throw new IOException(
          backup
              + " is no complete backup: it has no "
              + MANIFEST
              + "; name the directory that 'coffer keyserver backup' made, or take another one");
    }
    try {
      JsonObject manifest = JsonObject.parse(Files.readAllBytes(file), Set.of());
      if (!manifest.string("format").equals(FORMAT)) {
        throw new IOException(file + " is of another format than '" + FORMAT + "'");
      }
      return manifest;
    } catch (JsonException e) {
      throw new IOException(file + " is malformed: " + e.getMessage(), e);
    }
  }

  private static List<String> compare(Path backup, JsonObject manifest)
      throws IOException, JsonException {
    List<String> names = new ArrayList<>();
    for (JsonObject entry : manifest.objects("files")) {
      String name = entry.string("name");
      if (!name.matches(PATH)) {
        throw new IOException("the backup names a file that no key server has");
      }
      Path file = backup.resolve(name);
      if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        throw new IOException("the backup has lost its file " + name + ANOTHER);
      }
      if (!sha256(file).equals(entry.string("sha256"))) {
        throw new IOException("the backup's file " + name + " is damaged" + ANOTHER);
      }
      names.add(name);
    }
    Set<String> needed = new HashSet<>(Set.of(STORE, LOG, SETTINGS, "audit.pem", "audit.key"));
    names.forEach(needed::remove);
    if (!needed.isEmpty()) {
      throw new IOException("the backup lacks " + String.join(", ", needed) + ANOTHER);
    }
    return names;
  }

  private static void copyPrivate(Path from, Path to) throws IOException {
    Files.createFile(
        to,
        java.nio.file.attribute.PosixFilePermissions.asFileAttribute(
            java.nio.file.attribute.PosixFilePermissions.fromString("rw-------")));
    try (var in = Files.newInputStream(from);
        var out = new java.io.FileOutputStream(to.toFile())) {
      in.transferTo(out);
      out.getFD().sync();
    }
  }

  private static Path parentOf(Path file) {
    Path parent = file.getParent();
    return parent == null ? Path.of(".") : parent;
  }

  private static void requireEmpty(Path directory) throws IOException {
    DurableFiles.createPrivateDirectory(directory);
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
      if (entries.iterator().hasNext()) {
        throw new IOException(directory + " is not empty; name a new directory");
      }
    }
  }

  static void removeContents(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        if (!file.equals(directory)) {
          Files.delete(file);
        }
      }
    }
  }

  private static String sha256(Path file) throws IOException {
    try (var in = Files.newInputStream(file)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[1 << 16];
      int read;
      while ((read = in.read(buffer)) >= 0) {
        digest.update(buffer, 0, read);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }
}
