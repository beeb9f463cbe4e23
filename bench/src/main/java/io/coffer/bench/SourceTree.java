package io.coffer.bench;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Makes a tree that resembles the sources of a large C project, as a tar file: the same bytes in
 * each run and on each machine. One directory per 18 files, up to seven deep; sizes are log-normal
 * with a median of 2.6 KB and a mean of about 6 KB, cut off at 1 MB; one symbolic link per 4,000
 * files.
 */
final class SourceTree {
  private static final int BLOCK = 512;
  private static final int FILES_PER_DIRECTORY = 18;
  private static final int FILES_PER_LINK = 4000;
  private static final int MAX_DEPTH = 7;
  private static final int MAX_FILE_BYTES = 1 << 20;
  private static final double MEDIAN_BYTES = 2600;
  private static final double SIGMA = 1.3;
  private static final long MODIFIED = 1_700_000_000L;

  private final OutputStream out;
  private final SplittableRandom random = new SplittableRandom(2025);
  private final byte[] text = new byte[MAX_FILE_BYTES];

  private SourceTree(OutputStream out) {
    this.out = out;
    byte[] letters =
        "etaoinsrhdlucmfywgpbvk_ ;(){}*->=,.\n\t0123456789".getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < text.length; i++) {
      text[i] = letters[random.nextInt(letters.length)];
    }
  }

  /** Writes a tar file with this many regular files. */
  static void write(Path tar, int files) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(tar), 1 << 20)) {
      new SourceTree(out).write(files);
    }
  }

  private void write(int files) throws IOException {
    List<String> directories = new ArrayList<>(List.of("tree/"));
    entry("tree/", '5', 0, 0755, "");
    for (int i = 0; i < files; i++) {
      if (i % FILES_PER_DIRECTORY == 0) {
        String parent = directories.get(random.nextInt(directories.size()));
        if (parent.chars().filter(c -> c == '/').count() > MAX_DEPTH) {
          parent = "tree/";
        }
        String directory = parent + "dir" + directories.size() + "/";
        directories.add(directory);
        entry(directory, '5', 0, 0755, "");
      }
      String directory = directories.getLast();
      String name = "source_" + i + (i % 3 == 0 ? ".h" : ".c");
      int size =
          (int) Math.min(MAX_FILE_BYTES, MEDIAN_BYTES * Math.exp(SIGMA * random.nextGaussian()));
      entry(directory + name, '0', size, i % 50 == 0 ? 0755 : 0644, "");
      int from = random.nextInt(text.length - size + 1);
      out.write(text, from, size);
      out.write(new byte[(BLOCK - size % BLOCK) % BLOCK]);
      if (i % FILES_PER_LINK == FILES_PER_LINK - 1) {
        entry(directory + "link_" + i, '2', 0, 0777, name);
      }
    }
    out.write(new byte[2 * BLOCK]);
  }

  /** One header in the ustar format of POSIX.1-1988. */
  private void entry(String name, char type, int size, int mode, String link) throws IOException {
    byte[] header = new byte[BLOCK];
    put(header, 0, name);
    put(header, 100, octal(mode, 7));
    put(header, 108, octal(0, 7));
    put(header, 116, octal(0, 7));
    put(header, 124, octal(size, 11));
    put(header, 136, octal(MODIFIED, 11));
    put(header, 148, "        ");
    put(header, 156, String.valueOf(type));
    put(header, 157, link);
    put(header, 257, "ustar\00000");
    int sum = 0;
    for (byte b : header) {
      sum += b & 0xff;
    }
    put(header, 148, octal(sum, 6) + "\0 ");
    out.write(header);
  }

  private static void put(byte[] header, int position, String value) {
    byte[] bytes = value.getBytes(StandardCharsets.US_ASCII);
    if (position == 0 && bytes.length > 100) {
      throw new IllegalStateException("a name too long for the header: " + value);
    }
    System.arraycopy(bytes, 0, header, position, bytes.length);
  }

  private static String octal(long value, int digits) {
    return String.format("%0" + digits + "o", value);
  }
}
