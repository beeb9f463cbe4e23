package io.coffer.tree;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.posix.Timestamp;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes a tar archive in the pax format that ends with a digest of itself: a global extended
 * header with the comment {@code coffer-export 1 sha256=HEX entries=N}, whose digest is of all
 * bytes before that header. Other programs pass over it.
 */
final class TarWriter {
  static final String SEAL = "coffer-export 1 sha256=";
  static final String ENTRIES = " entries=";

  /** What a program sees that does not know of sparse files. */
  private static final String SPARSE_NAME = "GNUSparseFile.0/file";

  private static final int NAME_BYTES = 100;
  private static final long MOST_OCTAL_7 = 07777777L;
  private static final long MOST_OCTAL_11 = 077777777777L;
  private static final int RECORD_BLOCKS = 20;

  private final OutputStream out;
  private final MessageDigest digest;
  private final byte[] zeros = new byte[TarEntry.BLOCK_BYTES];
  private long written;
  private long entries;

  /** Bytes of contents of the entry that was begun, and how many are still to come. */
  private long begun;

  private long owed;

  TarWriter(OutputStream out) {
    this.out = out;
    this.digest = sha256();
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  private void put(byte[] bytes, int from, int length) throws IOException {
    out.write(bytes, from, length);
    digest.update(bytes, from, length);
    written += length;
  }

  /** Begins an entry; as many bytes as it has must follow. */
  void begin(TarEntry entry) throws IOException {
    begin(entry, null);
  }

  /**
   * Begins a file with holes.
   *
   * @param holes where its data is, whose bytes must follow, piece by piece; null for all of it
   */
  void begin(TarEntry entry, @Nullable SparseMap holes) throws IOException {
    finishContents();
    byte[] map = holes == null ? new byte[0] : holes.encode();
    long size = holes == null ? entry.size() : map.length + holes.dataBytes();
    byte[] path = entry.path();
    if (entry.type() == TarEntry.TYPE_DIRECTORY) {
      path = Arrays.copyOf(path, path.length + 1);
      path[path.length - 1] = '/';
    }
    byte[] records = records(entry, path, size, holes != null);
    if (records.length > 0) {
      byte[] name = "PaxHeaders/entry".getBytes(US_ASCII);
      header(name, 'x', 0644, 0, 0, 0, records.length, 0, new byte[0]);
      put(records, 0, records.length);
      pad(records.length);
    }
    byte[] target = entry.target() == null ? new byte[0] : entry.target();
    header(
        holes == null ? path : SPARSE_NAME.getBytes(US_ASCII),
        entry.type(),
        entry.mode(),
        id(entry.uid()),
        id(entry.gid()),
        Math.max(0, entry.modified().seconds()),
        size,
        entry.device(),
        target);
    entries++;
    put(map, 0, map.length);
    owed = size - map.length;
    begun = owed;
  }

  /** Writes contents of the entry that was begun. */
  void contents(byte[] bytes, int length) throws IOException {
    if (length > owed) {
      throw new IllegalStateException("more contents than were announced");
    }
    put(bytes, 0, length);
    owed -= length;
  }

  private void finishContents() throws IOException {
    if (owed != 0) {
      throw new IllegalStateException(owed + " bytes of contents are missing");
    }
    pad(begun);
    begun = 0;
  }

  private void pad(long length) throws IOException {
    int rest = (int) (length % TarEntry.BLOCK_BYTES);
    if (rest > 0) {
      put(zeros, 0, TarEntry.BLOCK_BYTES - rest);
    }
  }

  /** Seals and ends the archive. */
  void finish() throws IOException {
    finishContents();
    String seal = SEAL + HexFormat.of().formatHex(digest.digest()) + ENTRIES + entries;
    byte[] record = record("comment", seal.getBytes(US_ASCII));
    byte[] name = "PaxHeaders/seal".getBytes(US_ASCII);
    header(name, 'g', 0644, 0, 0, 0, record.length, 0, new byte[0]);
    put(record, 0, record.length);
    pad(record.length);
    put(zeros, 0, zeros.length);
    put(zeros, 0, zeros.length);
    while (written % (RECORD_BLOCKS * (long) TarEntry.BLOCK_BYTES) != 0) {
      put(zeros, 0, zeros.length);
    }
    out.flush();
  }

  private static byte[] records(TarEntry entry, byte[] path, long size, boolean sparse) {
    var all = new ByteArrayOutputStream();
    boolean binary = !isUtf8(path) || (entry.target() != null && !isUtf8(entry.target()));
    if (binary) {
      all.writeBytes(record("hdrcharset", "BINARY".getBytes(US_ASCII)));
    }
    if (sparse) {
      all.writeBytes(record(SparseMap.MAJOR, new byte[] {'1'}));
      all.writeBytes(record(SparseMap.MINOR, new byte[] {'0'}));
      all.writeBytes(record(SparseMap.NAME, path));
      all.writeBytes(record(SparseMap.REAL_SIZE, Long.toString(entry.size()).getBytes(US_ASCII)));
    } else if (path.length > NAME_BYTES || !isAscii(path)) {
      all.writeBytes(record("path", path));
    }
    byte[] target = entry.target();
    if (target != null && (target.length > NAME_BYTES || !isAscii(target))) {
      all.writeBytes(record("linkpath", target));
    }
    number(all, "size", size, MOST_OCTAL_11);
    number(all, "uid", id(entry.uid()), MOST_OCTAL_7);
    number(all, "gid", id(entry.gid()), MOST_OCTAL_7);
    Timestamp modified = entry.modified();
    if (modified.nanos() != 0 || modified.seconds() < 0 || modified.seconds() > MOST_OCTAL_11) {
      all.writeBytes(record("mtime", decimal(modified).getBytes(US_ASCII)));
    }
    for (Map.Entry<String, byte[]> each : entry.xattrs().entrySet()) {
      all.writeBytes(record(TarEntry.XATTR + each.getKey(), each.getValue()));
    }
    return all.toByteArray();
  }

  /** Before 1970, the nanoseconds of a {@link Timestamp} still count forwards. */
  private static String decimal(Timestamp time) {
    if (time.seconds() >= 0 || time.nanos() == 0) {
      return String.format(Locale.ROOT, "%d.%09d", time.seconds(), time.nanos());
    }
    return String.format(
        Locale.ROOT, "-%d.%09d", -(time.seconds() + 1), 1_000_000_000 - time.nanos());
  }

  private static long id(int id) {
    return id & 0xffffffffL;
  }

  private static void number(ByteArrayOutputStream all, String keyword, long value, long most) {
    if (value > most) {
      all.writeBytes(record(keyword, Long.toString(value).getBytes(US_ASCII)));
    }
  }

  /** {@code LENGTH KEYWORD=VALUE\n}, whose length counts itself. */
  private static byte[] record(String keyword, byte[] value) {
    int rest = 1 + keyword.getBytes(UTF_8).length + 1 + value.length + 1;
    int length = rest + Integer.toString(rest).length();
    if (Integer.toString(length).length() > Integer.toString(rest).length()) {
      length++;
    }
    var record = new ByteArrayOutputStream(length);
    record.writeBytes((length + " " + keyword + "=").getBytes(UTF_8));
    record.writeBytes(value);
    record.write('\n');
    return record.toByteArray();
  }

  private static boolean isAscii(byte[] text) {
    for (byte each : text) {
      if (each < 0) {
        return false;
      }
    }
    return true;
  }

  private static boolean isUtf8(byte[] text) {
    return Arrays.equals(new String(text, UTF_8).getBytes(UTF_8), text);
  }

  private void header(
      byte[] path,
      char type,
      int mode,
      long uid,
      long gid,
      long seconds,
      long size,
      long device,
      byte[] target)
      throws IOException {
    byte[] header = new byte[TarEntry.BLOCK_BYTES];
    System.arraycopy(path, 0, header, 0, Math.min(path.length, NAME_BYTES));
    octal(header, 100, 8, mode);
    octal(header, 108, 8, uid > MOST_OCTAL_7 ? 0 : uid);
    octal(header, 116, 8, gid > MOST_OCTAL_7 ? 0 : gid);
    octal(header, 124, 12, size > MOST_OCTAL_11 ? 0 : size);
    octal(header, 136, 12, seconds > MOST_OCTAL_11 ? 0 : seconds);
    header[156] = (byte) type;
    System.arraycopy(target, 0, header, 157, Math.min(target.length, NAME_BYTES));
    byte[] magic = "ustar\00000".getBytes(US_ASCII);
    System.arraycopy(magic, 0, header, 257, magic.length);
    octal(header, 329, 8, major(device));
    octal(header, 337, 8, minor(device));
    Arrays.fill(header, 148, 156, (byte) ' ');
    int sum = 0;
    for (byte each : header) {
      sum += each & 0xff;
    }
    octal(header, 148, 7, sum);
    put(header, 0, header.length);
  }

  private static void octal(byte[] header, int at, int length, long value) {
    String digits = Long.toOctalString(value);
    int zeros = length - 1 - digits.length();
    Arrays.fill(header, at, at + zeros, (byte) '0');
    byte[] bytes = digits.getBytes(US_ASCII);
    System.arraycopy(bytes, 0, header, at + zeros, bytes.length);
    header[at + length - 1] = 0;
  }

  /** glibc's gnu_dev_major. */
  static long major(long device) {
    return (device >>> 8 & 0xfff) | (device >>> 32 & ~0xfffL);
  }

  /** glibc's gnu_dev_minor. */
  static long minor(long device) {
    return (device & 0xff) | (device >>> 12 & ~0xffL & 0xffffffffL);
  }
}
