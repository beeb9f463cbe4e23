package io.coffer.tree;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.coffer.format.FormatException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Where the data of a file with holes lies, as GNU tar's sparse format 1.0 for pax archives keeps
 * it: decimal numbers, each followed by a line feed, first the number of pieces, then offset and
 * length of each; zeros to a multiple of 512. GNU tar and libarchive read it.
 *
 * @param size of the file
 * @param pieces in order, none overlapping
 */
record SparseMap(long size, List<Piece> pieces) {
  /** Data at a place of the file; one without bytes at the end stands for a hole there. */
  record Piece(long offset, long length) {}

  static final String MAJOR = "GNU.sparse.major";
  static final String MINOR = "GNU.sparse.minor";
  static final String NAME = "GNU.sparse.name";
  static final String REAL_SIZE = "GNU.sparse.realsize";

  /** More than any file of an archive of ours has; a file with more is kept with its holes. */
  static final int MOST_PIECES = 100_000;

  private static final int DIGITS = 19;

  SparseMap {
    pieces = List.copyOf(pieces);
  }

  /** Bytes of all pieces. */
  long dataBytes() {
    return pieces.stream().mapToLong(Piece::length).sum();
  }

  /** What comes before the data. */
  byte[] encode() {
    var text = new StringBuilder().append(pieces.size()).append('\n');
    for (Piece each : pieces) {
      text.append(each.offset).append('\n').append(each.length).append('\n');
    }
    byte[] bytes = text.toString().getBytes(US_ASCII);
    int block = TarEntry.BLOCK_BYTES;
    return Arrays.copyOf(bytes, (bytes.length + block - 1) / block * block);
  }

  /** Gives the bytes of a map one after the other, which come from anybody. */
  interface Source {
    byte next() throws java.io.IOException, FormatException;
  }

  /**
   * Reads a map, to the end of its last number.
   *
   * @throws FormatException if it is none of a file of that size
   */
  static SparseMap read(long size, Source source) throws java.io.IOException, FormatException {
    long count = number(source);
    if (count > MOST_PIECES) {
      throw wrong();
    }
    var pieces = new ArrayList<Piece>();
    long end = 0;
    for (long i = 0; i < count; i++) {
      long offset = number(source);
      long length = number(source);
      if (offset < end || offset > size || length > size - offset) {
        throw wrong();
      }
      end = offset + length;
      pieces.add(new Piece(offset, length));
    }
    return new SparseMap(size, pieces);
  }

  private static long number(Source source) throws java.io.IOException, FormatException {
    long value = 0;
    for (int i = 0; i < DIGITS; i++) {
      byte next = source.next();
      if (next == '\n' && i > 0) {
        return value;
      }
      if (next < '0' || next > '9') {
        throw wrong();
      }
      value = value * 10 + next - '0';
    }
    throw wrong();
  }

  private static FormatException wrong() {
    return new FormatException(
        "the archive is damaged, or none of coffer export: the map of a file's holes is wrong");
  }
}
