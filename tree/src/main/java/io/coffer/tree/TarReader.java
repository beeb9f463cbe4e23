package io.coffer.tree;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.format.FormatException;
import io.coffer.posix.Timestamp;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads an archive of {@link TarWriter}, which may come from anybody: everything that is out of the
 * ordinary is refused. Only {@link #isSealed} tells that all of it was read, and unchanged.
 */
final class TarReader {
  private static final int MOST_RECORD_BYTES = 1 << 20;
  private static final long NANOS = 1_000_000_000;

  private final InputStream in;
  private final MessageDigest digest = TarWriter.sha256();
  private final byte[] block = new byte[TarEntry.BLOCK_BYTES];
  private long left;
  private @Nullable SparseMap holes;
  private int padding;
  private long entries;
  private boolean sealed;

  TarReader(InputStream in) {
    this.in = in;
  }

  /** Has the archive's digest been read, and is it right? */
  boolean isSealed() {
    return sealed;
  }

  private static FormatException bad(String why) {
    return new FormatException("the archive is damaged, or none of coffer export: " + why);
  }

  private void readBlock() throws IOException, FormatException {
    if (in.readNBytes(block, 0, block.length) != block.length) {
      throw bad("it ends too early");
    }
  }

  /** The next entry, or null at the end. What is left of the one before is passed over. */
  @Nullable TarEntry next() throws IOException, FormatException {
    byte[] rest = new byte[8192];
    while (left > 0) {
      read(rest, rest.length);
    }
    Map<String, byte[]> records = Map.of();
    while (true) {
      readBlock();
      if (isZero()) {
        readBlock();
        if (!isZero() || !records.isEmpty()) {
          throw bad("its end is not whole");
        }
        return null;
      }
      if (sealed) {
        throw bad("something follows its digest");
      }
      checkSum();
      char type = (char) (block[156] & 0xff);
      if (type == 'g') {
        byte[] expected = digest.digest();
        checkSeal(parse(small()), expected);
      } else if (type == 'x') {
        digest.update(block);
        records = parse(small());
      } else {
        digest.update(block);
        TarEntry entry = entry(type, records);
        entries++;
        long stored = number(records, "size", octal(124, 12));
        left = stored;
        padding = (int) (roundUp(left) - left);
        holes = records.containsKey(SparseMap.MAJOR) ? readMap(entry.size()) : null;
        return entry;
      }
    }
  }

  /** Where the contents of the entry belong that are read; null if they are all of it. */
  @Nullable SparseMap holes() {
    return holes;
  }

  /** Reads the map that a file with holes begins with, and what pads it. */
  private SparseMap readMap(long size) throws IOException, FormatException {
    byte[] one = new byte[1];
    int[] used = {0};
    SparseMap.Source source =
        () -> {
          if (read(one, 1) != 1) {
            throw bad("the map of a file's holes is not whole");
          }
          used[0]++;
          return one[0];
        };
    SparseMap map = SparseMap.read(size, source);
    for (long more = roundUp(used[0]) - used[0]; more > 0; more--) {
      if (source.next() != 0) {
        throw bad("the map of a file's holes is wrong");
      }
    }
    if (left != map.dataBytes()) {
      throw bad("a file's data is not as long as its map says");
    }
    return map;
  }

  /** Reads contents of the entry; 0 at their end. */
  int read(byte[] to, int length) throws IOException, FormatException {
    int wanted = (int) Math.min(length, left);
    if (wanted == 0) {
      return 0;
    }
    if (in.readNBytes(to, 0, wanted) != wanted) {
      throw bad("it ends too early");
    }
    digest.update(to, 0, wanted);
    left -= wanted;
    if (left == 0 && padding > 0) {
      byte[] rest = in.readNBytes(padding);
      if (rest.length != padding) {
        throw bad("it ends too early");
      }
      digest.update(rest);
    }
    return wanted;
  }

  private static long roundUp(long bytes) {
    return (bytes + TarEntry.BLOCK_BYTES - 1) / TarEntry.BLOCK_BYTES * TarEntry.BLOCK_BYTES;
  }

  private boolean isZero() {
    for (byte each : block) {
      if (each != 0) {
        return false;
      }
    }
    return true;
  }

  private void checkSum() throws FormatException {
    long expected = octal(148, 8);
    long sum = 0;
    for (int i = 0; i < block.length; i++) {
      sum += i >= 148 && i < 156 ? ' ' : block[i] & 0xff;
    }
    byte[] magic = "ustar\0".getBytes(US_ASCII);
    if (sum != expected || !Arrays.equals(block, 257, 263, magic, 0, 6)) {
      throw bad("the header of an entry is wrong");
    }
  }

  private long octal(int at, int length) throws FormatException {
    long value = 0;
    boolean ended = false;
    for (int i = at; i < at + length; i++) {
      if (block[i] == 0 || block[i] == ' ') {
        ended = true;
      } else if (ended || block[i] < '0' || block[i] > '7') {
        throw bad("a number in the header of an entry is wrong");
      } else {
        value = value << 3 | (block[i] - '0');
      }
    }
    return value;
  }

  /** The contents of a header that describes others. */
  private byte[] small() throws IOException, FormatException {
    boolean counted = block[156] != 'g';
    long length = octal(124, 12);
    if (length > MOST_RECORD_BYTES) {
      throw bad("an extended header is too long");
    }
    int padded = (int) roundUp(length);
    byte[] bytes = in.readNBytes(padded);
    if (bytes.length != padded) {
      throw bad("it ends too early");
    }
    if (counted) {
      digest.update(bytes);
    }
    return Arrays.copyOf(bytes, (int) length);
  }

  private static Map<String, byte[]> parse(byte[] bytes) throws FormatException {
    var records = new LinkedHashMap<String, byte[]>();
    int at = 0;
    while (at < bytes.length) {
      int space = indexOf(bytes, ' ', at);
      if (space < 0 || space == at || space - at > 8) {
        throw bad("an extended header is wrong");
      }
      int length = 0;
      for (int i = at; i < space; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
          throw bad("an extended header is wrong");
        }
        length = length * 10 + bytes[i] - '0';
      }
      int end = at + length;
      int equals = indexOf(bytes, '=', space);
      if (end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] != '\n') {
        throw bad("an extended header is wrong");
      }
      String keyword = new String(bytes, space + 1, equals - space - 1, UTF_8);
      if (records.put(keyword, Arrays.copyOfRange(bytes, equals + 1, end - 1)) != null) {
        throw bad("an extended header says something twice");
      }
      at = end;
    }
    return records;
  }

  private static int indexOf(byte[] bytes, char wanted, int from) {
    for (int i = from; i < bytes.length; i++) {
      if (bytes[i] == wanted) {
        return i;
      }
    }
    return -1;
  }

  private void checkSeal(Map<String, byte[]> records, byte[] expected) throws FormatException {
    byte[] comment = records.get("comment");
    String wanted =
        TarWriter.SEAL + HexFormat.of().formatHex(expected) + TarWriter.ENTRIES + entries;
    if (comment == null || !new String(comment, UTF_8).equals(wanted)) {
      throw bad("its digest is not that of what was read");
    }
    sealed = true;
  }

  private TarEntry entry(char type, Map<String, byte[]> records) throws FormatException {
    boolean sparse = records.containsKey(SparseMap.MAJOR);
    if (sparse) {
      checkSparse(type, records);
    }
    String key = sparse ? SparseMap.NAME : "path";
    byte[] path = records.containsKey(key) ? records.get(key) : text(0, 100);
    byte[] target = records.containsKey("linkpath") ? records.get("linkpath") : text(157, 100);
    boolean link = type == TarEntry.TYPE_SYMLINK || type == TarEntry.TYPE_HARD_LINK;
    if (path == null || target == null || block[345] != 0) {
      throw bad("the name of an entry is wrong");
    }
    if (path.length > 1 && path[path.length - 1] == '/') {
      path = Arrays.copyOf(path, path.length - 1);
    }
    var xattrs = new LinkedHashMap<String, byte[]>();
    records.forEach((keyword, value) -> {
      if (keyword.startsWith(TarEntry.XATTR)) {
        xattrs.put(keyword.substring(TarEntry.XATTR.length()), value);
      }
    });
    long size = number(records, "size", octal(124, 12));
    if (sparse) {
      size = number(records, SparseMap.REAL_SIZE, -1);
    }
    if (type == '\0') {
      type = TarEntry.TYPE_FILE;
    }
    if ((type != TarEntry.TYPE_FILE && size != 0) || size < 0) {
      throw bad("the size of an entry is wrong");
    }
    long device = device(octal(329, 8), octal(337, 8));
    return new TarEntry(
        path,
        type,
        (int) octal(100, 8) & 07777,
        id(number(records, "uid", octal(108, 8))),
        id(number(records, "gid", octal(116, 8))),
        device,
        modified(records),
        link ? target : null,
        size,
        xattrs);
  }

  private static void checkSparse(char type, Map<String, byte[]> records) throws FormatException {
    if (type != TarEntry.TYPE_FILE
        || number(records, SparseMap.MAJOR, -1) != 1
        || number(records, SparseMap.MINOR, -1) != 0
        || !records.containsKey(SparseMap.NAME)) {
      throw bad("an entry with holes is of a kind that is not known");
    }
  }

  private static int id(long value) throws FormatException {
    if (value < 0 || value > 0xffffffffL) {
      throw bad("the owner of an entry is wrong");
    }
    return (int) value;
  }

  private byte[] text(int at, int length) {
    int end = at;
    while (end < at + length && block[end] != 0) {
      end++;
    }
    return Arrays.copyOfRange(block, at, end);
  }

  private static long number(Map<String, byte[]> records, String keyword, long otherwise)
      throws FormatException {
    byte[] text = records.get(keyword);
    if (text == null) {
      return otherwise;
    }
    try {
      return Long.parseLong(new String(text, US_ASCII));
    } catch (NumberFormatException e) {
      throw bad("a number in an extended header is wrong");
    }
  }

  private Timestamp modified(Map<String, byte[]> records) throws FormatException {
    byte[] text = records.get("mtime");
    if (text == null) {
      return new Timestamp(octal(136, 12), 0);
    }
    if (text.length > 40) {
      throw bad("the time of an entry is wrong");
    }
    try {
      BigInteger nanos =
          new BigDecimal(new String(text, US_ASCII)).movePointRight(9).toBigInteger();
      long all = nanos.longValueExact();
      return new Timestamp(Math.floorDiv(all, NANOS), (int) Math.floorMod(all, NANOS));
    } catch (ArithmeticException | NumberFormatException e) {
      throw bad("the time of an entry is wrong");
    }
  }

  /** glibc's gnu_dev_makedev. */
  private static long device(long major, long minor) {
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffL) << 12 | (major & ~0xfffL) << 32;
  }
}
