package io.coffer.keyserver.server;

import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;

/**
 * Keeps the revocation lists of several servers the same: the newest, by its number, goes from the
 * file of the server that has it into the shared engine, and from there into the files of the
 * others. It is public, and signed by the authority; the engine can only withhold it.
 */
final class SharedRevocations implements AutoCloseable {
  /** The entry of the engine. */
  private static final String KEY = "crl";

  private static final long INTERVAL_MILLIS = 200;
  private static final long EVERY = 10;
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");

  private final Engine engine;
  private final X509Certificate authority;
  private final Path file;
  private final Engine.Watch watch;
  private final Thread thread;
  private volatile boolean closed;
  private volatile boolean due = true;
  private byte[] last = new byte[0];

  SharedRevocations(Engine engine, X509Certificate authority, Path file) throws IOException {
    this.engine = engine;
    this.authority = authority;
    this.file = file;
    exchange();
    Entry entry = engine.get(KEY);
    watch =
        engine.watch(
            entry == null ? 0 : entry.version() - 1,
            applied -> {
              if (applied.changes().stream().anyMatch(change -> change.key().equals(KEY))) {
                due = true;
              }
            },
            () -> due = true);
    thread = Thread.ofVirtual().name("revocations").start(this::run);
  }

  private void run() {
    for (long round = 1; !closed; round++) {
      try {
        if (due || round % EVERY == 0 || !Arrays.equals(last, Files.readAllBytes(file))) {
          due = false;
          exchange();
        }
      } catch (IOException e) {
        LOG.log(
            System.Logger.Level.WARNING, "the revocation list is not shared: {0}", e.getMessage());
      }
      try {
        Thread.sleep(INTERVAL_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void exchange() throws IOException {
    byte[] mine = Files.readAllBytes(file);
    Entry entry = engine.get(KEY);
    BigInteger ours = number(mine);
    BigInteger theirs = entry == null ? BigInteger.valueOf(-1) : number(entry.value());
    if (ours.compareTo(theirs) > 0) {
      try {
        engine.apply(
            List.of(Change.put(KEY, mine, entry == null ? Engine.ABSENT : entry.version())));
      } catch (ConflictException e) {
        due = true;
      }
    } else if (entry != null && theirs.compareTo(ours) > 0) {
      DurableFiles.writePublic(file, entry.value());
      mine = entry.value();
    }
    last = mine;
  }

  /** The number of a list that the authority has signed; -2 for anything else. */
  private BigInteger number(byte[] pem) {
    try {
      X509CRL list =
          (X509CRL)
              CertificateFactory.getInstance("X.509")
                  .generateCRL(new ByteArrayInputStream(Pem.decode("X509 CRL", pem, "the list")));
      list.verify(authority.getPublicKey());
      byte[] extension = list.getExtensionValue("2.5.29.20");
      // OCTET STRING { INTEGER }, both short.
      return new BigInteger(Arrays.copyOfRange(extension, 4, extension.length));
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "a revocation list is not to be trusted: {0}", e);
      return BigInteger.valueOf(-2);
    }
  }

  @Override
  public void close() {
    closed = true;
    watch.close();
    thread.interrupt();
  }
}
