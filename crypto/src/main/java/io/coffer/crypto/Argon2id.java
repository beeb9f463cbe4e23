package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Phaser;

/**
 * The password hash Argon2id, version 0x13 (RFC 9106), without secret and associated data. Its
 * memory lies outside the Java heap: it does not depend on the heap's size, is wiped, and goes back
 * to the system as soon as the hash is there. Lanes are filled by as many threads as there are
 * processors; all wait for each other after each slice (section 3.2, step 6).
 *
 * <p>The system's {@linkplain LibArgon2 libargon2} needs no time to get warm and is taken where
 * there is one.
 */
public final class Argon2id {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int VERSION = 0x13;
  private static final int TYPE = 2;
  private static final int SLICES = 4;
  private static final int BLOCK_BYTES = 1024;
  private static final int BLOCK_WORDS = BLOCK_BYTES / 8;
  private static final int HASH_BYTES = 64;
  private static final long[] ZERO = new long[BLOCK_WORDS];

  private final MemorySegment memory;
  private final int passes;
  private final int lanes;
  private final int laneLength;
  private final int segmentLength;
  private volatile boolean failed;

  private Argon2id(MemorySegment memory, int passes, int lanes, int laneLength) {
    this.memory = memory;
    this.passes = passes;
    this.lanes = lanes;
    this.laneLength = laneLength;
    this.segmentLength = laneLength / SLICES;
  }

  /**
   * Hashes a password.
   *
   * @param salt at least 8 bytes
   * @param memoryKib memory in KiB, at least 8 for each lane
   * @param passes over the memory
   * @param lanes that could be filled at the same time ("parallelism")
   * @param length bytes wanted, at least 4
   */
  public static SecretBytes hash(
      SecretBytes password, byte[] salt, int memoryKib, int passes, int lanes, int length) {
    check(salt, memoryKib, passes, lanes, length);
    if (ContentCiphers.isNativeWanted() && LibArgon2.isPresent()) {
      SecretBytes hash =
          SecretBytes.written(
              length,
              to ->
                  password.lend(from -> LibArgon2.hash(from, salt, memoryKib, passes, lanes, to)));
      if (hash != null) {
        return hash;
      }
    }
    return password.read(
        bytes -> SecretBytes.take(hash(bytes, salt, memoryKib, passes, lanes, length)));
  }

  private static void check(byte[] salt, int memoryKib, int passes, int lanes, int length) {
    if (lanes < 1
        || lanes > 0xffffff
        || memoryKib < 8L * lanes
        || passes < 1
        || salt.length < 8
        || length < 4) {
      throw new IllegalArgumentException(
          "Argon2 parameters m=" + memoryKib + " t=" + passes + " p=" + lanes);
    }
  }

  static byte[] hash(
      byte[] password, byte[] salt, int memoryKib, int passes, int lanes, int length) {
    check(salt, memoryKib, passes, lanes, length);
    byte[] begin = begin(password, salt, memoryKib, passes, lanes, length);
    int laneLength = memoryKib / (SLICES * lanes) * SLICES;
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate((long) laneLength * lanes * BLOCK_BYTES, 64);
      try {
        return new Argon2id(memory, passes, lanes, laneLength).run(begin, length);
      } finally {
        memory.fill((byte) 0);
      }
    } finally {
      Arrays.fill(begin, (byte) 0);
    }
  }

  /** H_0 (section 3.2, step 1), followed by room for two numbers. */
  private static byte[] begin(
      byte[] password, byte[] salt, int memoryKib, int passes, int lanes, int length) {
    byte[] all = new byte[10 * 4 + password.length + salt.length];
    ByteBuffer.wrap(all)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(lanes)
        .putInt(length)
        .putInt(memoryKib)
        .putInt(passes)
        .putInt(VERSION)
        .putInt(TYPE)
        .putInt(password.length)
        .put(password)
        .putInt(salt.length)
        .put(salt)
        .putInt(0)
        .putInt(0);
    byte[] hash = Blake2b.hash(all, HASH_BYTES);
    Arrays.fill(all, (byte) 0);
    byte[] begin = Arrays.copyOf(hash, HASH_BYTES + 8);
    Arrays.fill(hash, (byte) 0);
    return begin;
  }

  private byte[] run(byte[] begin, int length) {
    long[] result = new long[BLOCK_WORDS];
    long[] block = new long[BLOCK_WORDS];
    try {
      for (int lane = 0; lane < lanes; lane++) {
        for (int column = 0; column < 2; column++) {
          ByteBuffer.wrap(begin)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putInt(HASH_BYTES, column)
              .putInt(HASH_BYTES + 4, lane);
          byte[] start = longHash(begin, BLOCK_BYTES);
          MemorySegment.copy(
              start, 0, memory, ValueLayout.JAVA_BYTE, at(lane, column), BLOCK_BYTES);
          Arrays.fill(start, (byte) 0);
        }
      }
      fillAll();
      for (int lane = 0; lane < lanes; lane++) {
        load(at(lane, laneLength - 1), block);
        for (int i = 0; i < BLOCK_WORDS; i++) {
          result[i] ^= block[i];
        }
      }
      byte[] last = new byte[BLOCK_BYTES];
      ByteBuffer.wrap(last).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().put(result);
      byte[] hash = longHash(last, length);
      Arrays.fill(last, (byte) 0);
      return hash;
    } finally {
      Arrays.fill(block, 0);
      Arrays.fill(result, 0);
    }
  }

  /** Fills the memory, with this thread and others. */
  private void fillAll() {
    int threads = Math.min(lanes, Runtime.getRuntime().availableProcessors());
    Phaser slices = new Phaser(threads);
    List<Thread> others = new ArrayList<>();
    boolean ran = false;
    try {
      for (int i = 1; i < threads; i++) {
        int first = i;
        others.add(
            Thread.ofPlatform()
                .name("argon2-" + i)
                .daemon()
                .start(() -> fillLanes(first, threads, slices)));
      }
      fillLanes(0, threads, slices);
      ran = true;
    } finally {
      if (!ran) { // a thread could not be started
        failed = true;
        slices.forceTermination();
      }
      others.forEach(Argon2id::joinWithoutInterruption);
    }
    if (failed) {
      throw new IllegalStateException("a thread that fills memory failed");
    }
  }

  private void fillLanes(int first, int step, Phaser slices) {
    List<Lane> mine = new ArrayList<>();
    boolean done = false; // or given up because another thread failed
    try {
      for (int lane = first; lane < lanes; lane += step) {
        mine.add(new Lane(lane));
      }
      for (int pass = 0; pass < passes; pass++) {
        for (int slice = 0; slice < SLICES; slice++) {
          for (Lane each : mine) {
            each.fillSegment(pass, slice);
          }
          slices.arriveAndAwaitAdvance();
          if (failed) {
            done = true;
            return;
          }
        }
      }
      done = true;
    } finally {
      if (!done) {
        failed = true;
        slices.forceTermination();
      }
      mine.forEach(Lane::wipe);
    }
  }

  private static void joinWithoutInterruption(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private long at(int lane, int column) {
    return ((long) lane * laneLength + column) * BLOCK_BYTES;
  }

  private void load(long from, long[] block) {
    MemorySegment.copy(memory, LONG, from, block, 0, BLOCK_WORDS);
  }

  /** What one lane needs while a segment of it is filled; of one thread at a time. */
  private final class Lane {
    private final int lane;
    private final long[] previous = new long[BLOCK_WORDS];
    private final long[] reference = new long[BLOCK_WORDS];
    private final long[] result = new long[BLOCK_WORDS];
    private final long[] input = new long[BLOCK_WORDS];
    private final long[] addresses = new long[BLOCK_WORDS];

    Lane(int lane) {
      this.lane = lane;
      input[3] = (long) laneLength * lanes;
      input[4] = passes;
      input[5] = TYPE;
    }

    void wipe() {
      Arrays.fill(previous, 0);
      Arrays.fill(reference, 0);
      Arrays.fill(result, 0);
      Arrays.fill(addresses, 0);
    }

    /** Fills a slice of a lane (section 3.2, steps 5 and 6). */
    void fillSegment(int pass, int slice) {
      boolean first = pass == 0 && slice == 0;
      // The first half of the first pass goes where the password does not lead.
      boolean independent = pass == 0 && slice < SLICES / 2;
      if (independent) {
        input[0] = pass;
        input[1] = lane;
        input[2] = slice;
        input[6] = 0;
      }
      int begin = first ? 2 : 0;
      int column = slice * segmentLength + begin;
      load(at(lane, (column + laneLength - 1) % laneLength), previous);
      for (int index = begin; index < segmentLength; index++, column++) {
        long random;
        if (independent) {
          if (index == begin || index % BLOCK_WORDS == 0) {
            nextAddresses();
          }
          random = addresses[index % BLOCK_WORDS];
        } else {
          random = previous[0];
        }
        int chosenLane = first ? lane : (int) ((random >>> 32) % lanes);
        int chosen = chosenColumn(pass, slice, index, chosenLane == lane, random & 0xffffffffL);
        load(at(chosenLane, chosen), reference);
        long to = at(lane, column);
        if (pass == 0) {
          fill(previous, reference, ZERO, result);
        } else {
          long[] old = addresses; // in use only in the first pass
          load(to, old);
          fill(previous, reference, old, result);
        }
        MemorySegment.copy(result, 0, memory, LONG, to, BLOCK_WORDS);
        System.arraycopy(result, 0, previous, 0, BLOCK_WORDS);
      }
    }

    private void nextAddresses() {
      input[6]++;
      fill(ZERO, input, ZERO, result);
      System.arraycopy(result, 0, reference, 0, BLOCK_WORDS);
      fill(ZERO, reference, ZERO, addresses);
    }
  }

  /** The column of the reference block (section 3.4.2). */
  private int chosenColumn(int pass, int slice, int index, boolean sameLane, long random) {
    int finished = pass == 0 ? slice * segmentLength : laneLength - segmentLength;
    long area;
    if (sameLane) {
      area = finished + index - 1L;
    } else {
      area = finished - (index == 0 ? 1L : 0L);
    }
    long squared = (random * random) >>> 32;
    long relative = area - 1 - ((area * squared) >>> 32);
    int start = pass == 0 || slice == SLICES - 1 ? 0 : (slice + 1) * segmentLength;
    return (int) ((start + relative) % laneLength);
  }

  /** The compression function G (section 3.5): {@code to = old ^ G(x, y)}. */
  private static void fill(long[] x, long[] y, long[] old, long[] to) {
    for (int i = 0; i < BLOCK_WORDS; i++) {
      to[i] = x[i] ^ y[i];
    }
    for (int row = 0; row < 8; row++) {
      permute(to, 16 * row, 2);
    }
    for (int column = 0; column < 8; column++) {
      permute(to, 2 * column, 16);
    }
    for (int i = 0; i < BLOCK_WORDS; i++) {
      to[i] ^= x[i] ^ y[i] ^ old[i];
    }
  }

  /** The permutation P (section 3.6) of eight pairs of words, {@code step} apart. */
  private static void permute(long[] v, int at, int step) {
    mix(v, at, at + 2 * step, at + 4 * step, at + 6 * step);
    mix(v, at + 1, at + 2 * step + 1, at + 4 * step + 1, at + 6 * step + 1);
    mix(v, at + step, at + 3 * step, at + 5 * step, at + 7 * step);
    mix(v, at + step + 1, at + 3 * step + 1, at + 5 * step + 1, at + 7 * step + 1);
    mix(v, at, at + 2 * step + 1, at + 5 * step, at + 7 * step + 1);
    mix(v, at + 1, at + 3 * step, at + 5 * step + 1, at + 6 * step);
    mix(v, at + step, at + 3 * step + 1, at + 4 * step, at + 6 * step + 1);
    mix(v, at + step + 1, at + 2 * step, at + 4 * step + 1, at + 7 * step);
  }

  private static void mix(long[] v, int ia, int ib, int ic, int id) {
    long a = v[ia];
    long b = v[ib];
    long c = v[ic];
    long d = v[id];
    a = add(a, b);
    d = Long.rotateRight(d ^ a, 32);
    c = add(c, d);
    b = Long.rotateRight(b ^ c, 24);
    a = add(a, b);
    d = Long.rotateRight(d ^ a, 16);
    c = add(c, d);
    b = Long.rotateRight(b ^ c, 63);
    v[ia] = a;
    v[ib] = b;
    v[ic] = c;
    v[id] = d;
  }

  private static long add(long x, long y) {
    return x + y + 2 * ((x & 0xffffffffL) * (y & 0xffffffffL));
  }

  /** H' (section 3.3). */
  private static byte[] longHash(byte[] message, int length) {
    byte[] prefixed = new byte[4 + message.length];
    ByteBuffer.wrap(prefixed).order(ByteOrder.LITTLE_ENDIAN).putInt(length).put(message);
    if (length <= HASH_BYTES) {
      byte[] hash = Blake2b.hash(prefixed, length);
      Arrays.fill(prefixed, (byte) 0);
      return hash;
    }
    byte[] out = new byte[length];
    byte[] part = Blake2b.hash(prefixed, HASH_BYTES);
    Arrays.fill(prefixed, (byte) 0);
    int done = 0;
    while (length - done > HASH_BYTES) {
      System.arraycopy(part, 0, out, done, HASH_BYTES / 2);
      done += HASH_BYTES / 2;
      byte[] next = Blake2b.hash(part, Math.min(HASH_BYTES, length - done));
      Arrays.fill(part, (byte) 0);
      part = next;
    }
    System.arraycopy(part, 0, out, done, length - done);
    Arrays.fill(part, (byte) 0);
    return out;
  }
}
