package io.coffer.keyserver.audit;

import io.coffer.crypto.Ed25519Signer;
import io.coffer.keyserver.batch.GroupCommit;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * An append-only log in JSON lines:
 *
 * <pre>
 * {"seq":7,"time":"2026-...Z","who":...,"from":...,"action":...,"target":...,"outcome":...,
 *  "reason":...,"prev":"SHA-256 of the line before, without its line end, in hexadecimal",
 *  "signature":"base64"}
 * </pre>
 *
 * {@code signature}, always the last member, is Ed25519 over {@code "coffer audit 1" || 0 ||
 * SHA-256(the line as it would be without that member)}. Entries that are written together share
 * the signature of the last of them; since each carries the hash of the one before, it vouches for
 * all. The first line's {@code prev} is 64 zeros.
 *
 * <p>{@link #append} returns when the entry is on disk. So that a full disk cannot keep out the
 * entries of what is under way, the filesystem keeps blocks allocated behind the end of the log
 * (fallocate(2)); when it can give no more, {@link #requireWritable} refuses, and what is left is
 * for those. Thread-safe.
 */
public final class AuditLog implements AutoCloseable {
  /** Longest line. */
  private static final int MAX_LINE_BYTES = 16 << 10;

  private static final int MAX_BATCH = 1000;

  /** Entries that are kept while they cannot be written. */
  private static final int MAX_OWED = 10_000;

  /**
   * What is kept allocated behind the log: room for the entries of all requests that can be under
   * way, of some 400 bytes each.
   */
  private static final long RESERVE_BYTES = 1 << 20;

  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final String START = "0".repeat(64);
  private static final byte[] DOMAIN = "coffer audit 1\0".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] SIGNATURE_MEMBER =
      ",\"signature\":\"".getBytes(StandardCharsets.US_ASCII);
  private static final int SIGNATURE_TEXT_BYTES = 88;

  /** Where a log ends: what an auditor writes down to notice a log that was cut short. */
  public record Head(long sequence, String hash) {
    @Override
    public String toString() {
      return sequence + ":" + hash;
    }
  }

  private static final class Pending {
    final AuditEvent event;
    final String time;
    boolean written;
    @Nullable AuditException failure;

    Pending(AuditEvent event, String time) {
      this.event = event;
      this.time = time;
    }
  }

  private final Path file;
  // No FileChannel: interrupting a thread that writes to one closes it.
  private final RandomAccessFile out;
  private final FileChannel lock;

  /** The same file, for what Java has no method for. */
  private final int descriptor;

  private final Ed25519Signer signer;
  private final PublicKey publicKey;
  private final Clock clock;
  private final GroupCommit<Pending> batches = new GroupCommit<>(new Batches());

  /** Held while writing, and while closing. */
  private final ReentrantLock writing = new ReentrantLock();

  private volatile Head head;

  /** Why nothing can be written at the moment; null if it can. */
  private volatile @Nullable AuditException broken;

  /** Why there is room for what is under way only; null if there is more. */
  private volatile @Nullable AuditException scarce;

  private boolean closed;

  /** Up to where blocks are allocated, as far as is known. */
  private long reserved;

  /** Does the filesystem allocate blocks ahead? */
  private boolean reserves = true;

  /** How long the file is with all entries that are on disk, and nothing else. */
  private long length;

  /** Entries that could not be written, and are before the next ones. */
  private final List<Pending> owed = new ArrayList<>();

  /** How many more there were. */
  private long lost;

  private AuditLog(
      Path file,
      RandomAccessFile out,
      FileChannel lock,
      int descriptor,
      Ed25519Signer signer,
      PublicKey publicKey,
      Clock clock,
      Head head,
      long length) {
    this.length = length;
    this.lock = lock;
    this.descriptor = descriptor;
    this.publicKey = publicKey;
    this.file = file;
    this.out = out;
    this.signer = signer;
    this.clock = clock;
    this.head = head;
  }

  /**
   * Opens a log for writing, and makes it if it does not exist. The chain is verified; an entry
   * that a crash has cut short is taken away.
   *
   * @param key Ed25519
   * @throws AuditInUseException if another process, or another part of this one, is writing it
   */
  public static AuditLog open(Path file, PrivateKey key, PublicKey publicKey, Clock clock)
      throws IOException {
    if (!Files.exists(file)) {
      Files.createFile(
          file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }
    FileChannel lock = lock(file);
    RandomAccessFile out;
    try {
      out = new RandomAccessFile(file.toFile(), "rw");
    } catch (IOException e) {
      lock.close();
      throw e;
    }
    int descriptor = -1;
    try {
      Verifier verifier = new Verifier(publicKey);
      long good = verifier.readAll(file, true);
      boolean cut = good < out.length();
      if (cut) {
        out.setLength(good);
      }
      out.seek(good);
      Ed25519Signer signer = Ed25519Signer.of(key);
      byte[] name = file.toString().getBytes(StandardCharsets.UTF_8);
      descriptor = Linux.open(Flags.AT_FDCWD, name, Flags.O_WRONLY, 0);
      AuditLog log =
          new AuditLog(
              file, out, lock, descriptor, signer, publicKey, clock, verifier.head(), good);
      log.reserve();
      if (cut || verifier.unsigned > 0) {
        log.append(
            new AuditEvent(
                "server", "", "audit.recover", "", "granted", "the log ended in mid-write"));
      }
      return log;
    } catch (IOException | RuntimeException e) {
      abandon(lock, out, descriptor);
      throw e;
    } catch (GeneralSecurityException e) {
      abandon(lock, out, descriptor);
      throw new AuditException("the key of the audit log " + file + " cannot sign", e);
    }
  }

  private static void abandon(FileChannel lock, RandomAccessFile out, int descriptor)
      throws IOException {
    if (descriptor >= 0) {
      Linux.close(descriptor);
    }
    out.close();
    lock.close();
  }

  /** Keeps a second writer out, with a file beside: closing any reader would end a lock on it. */
  private static FileChannel lock(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file.resolveSibling(file.getFileName() + ".lock"),
            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    FileLock held;
    try {
      held = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      held = null;
    }
    if (held == null) {
      channel.close();
      throw new AuditInUseException(file);
    }
    return channel;
  }

  /**
   * Verifies a log.
   *
   * @return where it ends
   * @throws AuditException that names the first wrong line
   */
  public static Head verify(Path file, PublicKey publicKey) throws IOException {
    return verify(file, publicKey, null);
  }

  /**
   * Verifies a log that must still contain an end noted earlier.
   *
   * @param earlier null if none was noted
   */
  public static Head verify(Path file, PublicKey publicKey, @Nullable Head earlier)
      throws IOException {
    Verifier verifier = new Verifier(publicKey);
    verifier.earlier = earlier;
    verifier.readAll(file, false);
    if (earlier != null && verifier.sequence < earlier.sequence()) {
      throw new AuditException(
          "the log ends at entry "
              + verifier.sequence
              + " and once had "
              + earlier.sequence()
              + ": entries were taken away");
    }
    if (verifier.unsigned > 0) {
      throw new AuditException(
          "the last " + verifier.unsigned + " entries are not signed: the log was cut short");
    }
    return verifier.head();
  }

  /**
   * Copies a log that may be being written, up to its last signed entry, and verifies it while
   * doing so.
   *
   * @param target must not exist
   * @return where the copy ends
   * @throws AuditException that names the first wrong line
   */
  public static Head copy(Path file, PublicKey publicKey, Path target) throws IOException {
    Files.createFile(
        target, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Verifier verifier = new Verifier(publicKey);
    Head head = verifier.head();
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        RandomAccessFile out = new RandomAccessFile(target.toFile(), "rw")) {
      ByteArrayOutputStream unsigned = new ByteArrayOutputStream();
      byte[] line;
      while ((line = readLine(in)) != null) {
        verifier.check(line);
        unsigned.writeBytes(line);
        unsigned.write('\n');
        if (verifier.unsigned == 0) {
          out.write(unsigned.toByteArray());
          unsigned.reset();
          head = verifier.head();
        }
      }
      out.getFD().sync();
    }
    return head;
  }

  /** Where the log ends now. */
  public Head head() {
    return head;
  }

  /**
   * Makes sure that the log can be written, before anything is done that has to be in it. After a
   * failure, as of a full disk, this is where it is tried again.
   *
   * @throws AuditException if it cannot be written now
   */
  public void requireWritable() throws AuditException {
    if (broken == null && scarce == null) {
      return;
    }
    AuditException failure;
    writing.lock();
    try {
      if (broken != null) {
        write(List.of());
      } else if (!closed) {
        reserve();
      }
      failure = broken != null ? broken : scarce;
    } finally {
      writing.unlock();
    }
    if (failure != null) {
      throw new AuditException(String.valueOf(failure.getMessage()), failure);
    }
  }

  /**
   * Writes an entry of something that was refused before {@link #requireWritable} was asked: it
   * takes no room from what is under way.
   *
   * @throws AuditException if it cannot be written now
   */
  public void appendRefused(AuditEvent event) throws AuditException {
    requireWritable();
    append(event);
  }

  /**
   * Writes an entry.
   *
   * @throws AuditException if it could not be written, as on a disk with errors. What it is about
   *     may be done already: the entry is kept in memory, and comes before all others as soon as
   *     there can be any. Until then {@link #requireWritable} fails.
   */
  public void append(AuditEvent event) throws AuditException {
    Pending pending = new Pending(event, now());
    batches.run(pending);
    AuditException failure = pending.failure;
    if (failure != null) {
      throw failure;
    }
    if (!pending.written) {
      throw new AuditException("the audit log " + file + " could not be written");
    }
  }

  private final class Batches implements GroupCommit.Work<Pending> {
    @Override
    public boolean fits(List<Pending> batch, Pending next) {
      return batch.size() < MAX_BATCH;
    }

    @Override
    public void run(List<Pending> batch) {
      writing.lock();
      try {
        write(batch);
      } finally {
        writing.unlock();
      }
    }
  }

  private void write(List<Pending> batch) {
    AuditException failure = broken;
    if (!closed) {
      List<Pending> all = new ArrayList<>(owed);
      try {
        if (failure != null) {
          // What is behind the last entry may be half an entry, or no more than in the page cache.
          out.setLength(length);
          reserved = length;
          all.add(recovery());
        }
        all.addAll(batch);
        ByteArrayOutputStream lines = new ByteArrayOutputStream();
        Head next = head;
        for (int i = 0; i < all.size(); i++) {
          byte[] line = line(all.get(i), next, i == all.size() - 1);
          lines.writeBytes(line);
          lines.write('\n');
          next = new Head(next.sequence() + 1, HexFormat.of().formatHex(sha256(line)));
        }
        out.seek(length);
        out.write(lines.toByteArray());
        out.getFD().sync();
        length += lines.size();
        head = next;
        owed.clear();
        lost = 0;
        broken = null;
        reserve();
        batch.forEach(pending -> pending.written = true);
        return;
      } catch (IOException | GeneralSecurityException e) {
        failure =
            new AuditException(
                "the audit log " + file + " cannot be written: " + e.getMessage(), e);
        broken = failure;
        owe(batch);
        cutBack();
      }
    }
    for (Pending pending : batch) {
      pending.failure = failure;
    }
  }

  /** Has the filesystem keep room behind the log, if there is less than there should be. */
  private void reserve() {
    if (!reserves || length + RESERVE_BYTES <= reserved) {
      return;
    }
    try {
      try {
        allocate(2 * RESERVE_BYTES);
      } catch (ErrnoException e) {
        allocate(RESERVE_BYTES); // the last that there is
      }
      scarce = null;
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EOPNOTSUPP || e.errno() == Errno.ENOSYS) {
        reserves = false;
        LOG.log(
            System.Logger.Level.INFO,
            "the filesystem of {0} cannot keep room for the audit log",
            file);
        return;
      }
      boolean full = e.errno() == Errno.ENOSPC || e.errno() == Errno.EDQUOT;
      String what =
          (full ? "there is no room for the audit log " : "no room can be kept for the audit log ")
              + file;
      if (scarce == null) {
        LOG.log(System.Logger.Level.ERROR, "{0}: {1}", what, e);
      }
      scarce = new AuditException(what, e);
    }
  }

  private void allocate(long bytes) throws ErrnoException {
    Linux.allocate(descriptor, Flags.FALLOC_FL_KEEP_SIZE, length, bytes);
    reserved = length + bytes;
  }

  private Pending recovery() {
    String reason =
        "the log could not be written; entries before this that were written late: " + owed.size();
    return new Pending(
        new AuditEvent(
            "server",
            "",
            "audit.recover",
            "",
            "granted",
            lost == 0 ? reason : reason + ", and lost: " + lost),
        now());
  }

  private void owe(List<Pending> batch) {
    for (Pending pending : batch) {
      AuditEvent event = pending.event;
      if (owed.size() >= MAX_OWED) {
        lost++;
        continue;
      }
      owed.add(
          new Pending(
              new AuditEvent(
                  event.who(),
                  event.from(),
                  event.action(),
                  event.target(),
                  event.outcome(),
                  (event.reason().isEmpty() ? "" : shorten(event.reason()) + "; ")
                      + "not answered, since the log could not be written"),
              pending.time));
    }
  }

  /** Leaves no half an entry behind, if that is possible now. */
  private void cutBack() {
    try {
      out.setLength(length);
      reserved = length;
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "cutting the audit log back: {0}", e.getMessage());
    }
  }

  private String now() {
    return clock.instant().truncatedTo(ChronoUnit.MILLIS).toString();
  }

  private byte[] line(Pending pending, Head before, boolean sign) throws GeneralSecurityException {
    AuditEvent event = pending.event;
    byte[] line =
        new JsonObject()
            .put("seq", before.sequence() + 1)
            .put("time", pending.time)
            .put("who", shorten(event.who()))
            .put("from", shorten(event.from()))
            .put("action", shorten(event.action()))
            .put("target", shorten(event.target()))
            .put("outcome", event.outcome())
            .put("reason", shorten(event.reason()))
            .put("prev", before.hash())
            .toBytes();
    if (!sign) {
      return line;
    }
    byte[] hash = sha256(line);
    byte[] message = Arrays.copyOf(DOMAIN, DOMAIN.length + hash.length);
    System.arraycopy(hash, 0, message, DOMAIN.length, hash.length);
    ByteArrayOutputStream signed = new ByteArrayOutputStream();
    signed.write(line, 0, line.length - 1);
    signed.writeBytes(SIGNATURE_MEMBER);
    signed.writeBytes(Base64.getEncoder().encode(signer.sign(message)));
    signed.writeBytes(new byte[] {'"', '}'});
    return signed.toByteArray();
  }

  private static String shorten(String text) {
    return text.length() > 512 ? text.substring(0, 512) + "..." : text;
  }

  /**
   * Writes entries as JSON lines.
   *
   * @param after only entries above this sequence number
   * @param limit at most so many
   */
  public void export(long after, int limit, OutputStream out) throws IOException {
    long end = head.sequence();
    long sequence = 0;
    int written = 0;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
      byte[] line;
      while (sequence < end && written < limit && (line = readLine(in)) != null) {
        sequence++;
        if (sequence > after) {
          out.write(line);
          out.write('\n');
          written++;
        }
      }
    }
  }

  /**
   * Searches from the latest entry towards the first.
   *
   * @param before a place that an earlier search has named; 0 for the end
   * @param limit how many entries are wanted
   * @param budget how many bytes are looked through at most
   * @throws IllegalArgumentException if there is no such place
   */
  public AuditPage search(AuditQuery query, long before, int limit, long budget)
      throws IOException {
    return new AuditSearch(query, limit, budget).run(file, before, MAX_LINE_BYTES);
  }

  /**
   * Verifies the file, which may be being written, up to an entry that this log has written.
   *
   * @throws AuditException that names the first wrong line
   */
  void verifyUpTo(Head end) throws IOException {
    Verifier verifier = new Verifier(publicKey);
    verifier.earlier = end;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      byte[] line;
      while (verifier.sequence < end.sequence() && (line = readLine(in)) != null) {
        verifier.check(line);
      }
    }
    if (verifier.sequence < end.sequence()) {
      throw new AuditException(
          "the log ends at entry "
              + verifier.sequence
              + " and once had "
              + end.sequence()
              + ": entries were taken away");
    }
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** A line without its end; null at the end of the file or before an incomplete line. */
  private static byte @Nullable [] readLine(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream(512);
    for (int b = in.read(); b >= 0; b = in.read()) {
      if (b == '\n') {
        return line.toByteArray();
      }
      line.write(b);
      if (line.size() > MAX_LINE_BYTES) {
        throw new AuditException("a line of the audit log is too long");
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    writing.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      if (broken == null) {
        broken = new AuditException("the audit log is closed");
      }
      signer.close();
      Linux.close(descriptor);
      out.close();
      lock.close();
    } finally {
      writing.unlock();
    }
  }

  private static final class Verifier {
    private final PublicKey key;
    private long sequence;
    private String hash = START;
    private int unsigned;
    private @Nullable Head earlier;

    Verifier(PublicKey key) {
      this.key = key;
    }

    Head head() {
      return new Head(sequence, hash);
    }

    /** Returns how many bytes of the file are complete lines. */
    long readAll(Path file, boolean mayBeCut) throws IOException {
      long good = 0;
      try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
        byte[] line;
        while ((line = readLine(in)) != null) {
          check(line);
          good += line.length + 1L;
        }
      }
      if (!mayBeCut && good != Files.size(file)) {
        throw new AuditException("the log ends in the middle of entry " + (sequence + 1));
      }
      return good;
    }

    private void check(byte[] line) throws AuditException {
      long expected = sequence + 1;
      int memberAt = line.length - SIGNATURE_TEXT_BYTES - 2 - SIGNATURE_MEMBER.length;
      boolean signed =
          memberAt > 0
              && Arrays.equals(
                  line,
                  memberAt,
                  memberAt + SIGNATURE_MEMBER.length,
                  SIGNATURE_MEMBER,
                  0,
                  SIGNATURE_MEMBER.length);
      byte[] body = line;
      if (signed) {
        body = Arrays.copyOf(line, memberAt + 1);
        body[memberAt] = '}';
      }
      try {
        JsonObject json = JsonObject.parse(body, Set.of());
        if (json.integer("seq", 0, Long.MAX_VALUE) != expected) {
          throw new AuditException(
              "entry " + expected + " is missing or out of order in the audit log");
        }
        if (!json.string("prev").equals(hash)) {
          throw new AuditException(
              "entry " + sequence + " of the audit log was changed (the next does not match it)");
        }
        if (signed) {
          byte[] text =
              Arrays.copyOfRange(
                  line,
                  memberAt + SIGNATURE_MEMBER.length,
                  memberAt + SIGNATURE_MEMBER.length + SIGNATURE_TEXT_BYTES);
          Signature signature = Signature.getInstance("Ed25519");
          signature.initVerify(key);
          signature.update(DOMAIN);
          signature.update(sha256(body));
          byte[] value = Base64.getDecoder().decode(text);
          // The last entry's own bytes are in no hash yet: its form must be the only one possible.
          if (line[line.length - 2] != '"'
              || line[line.length - 1] != '}'
              || !Arrays.equals(Base64.getEncoder().encode(value), text)
              || !signature.verify(value)) {
            throw new AuditException("the signature of entry " + expected + " is wrong");
          }
        }
      } catch (JsonException | GeneralSecurityException | IllegalArgumentException e) {
        throw new AuditException("entry " + expected + " of the audit log is damaged", e);
      }
      unsigned = signed ? 0 : unsigned + 1;
      sequence = expected;
      hash = HexFormat.of().formatHex(sha256(line));
      Head noted = earlier;
      if (noted != null && noted.sequence() == sequence && !noted.hash().equals(hash)) {
        throw new AuditException(
            "entry " + sequence + " is not the one noted earlier: the log was replaced");
      }
    }
  }
}
