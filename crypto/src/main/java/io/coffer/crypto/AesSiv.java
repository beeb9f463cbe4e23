package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * AES-SIV (RFC 5297). As an {@link Aead} its sealed form is {@code nonce16 || siv16 || ciphertext},
 * and S2V runs over the associated data, the nonce and the plain text, in that order. Using a nonce
 * twice reveals no more than that the same plain text was sealed twice.
 *
 * <p>CMAC is a chain of AES blocks; it is computed as AES-CBC with a zero IV over the whole message
 * in one call, so that the JDK's compiled CBC does it, and its last block is the MAC. A chain keeps
 * a processor waiting for one AES block at a time, so the chains of several messages are computed
 * side by side where there are several: the n-th blocks of all go through AES-ECB together, which
 * takes a quarter of the time.
 */
public final class AesSiv extends HeapAead {
  private static final int BLOCK = 16;
  private static final int NONCE_BYTES = 16;

  /** Twice as many are hardly faster. */
  private static final int LANES = 32;

  /** Fewer are faster one after the other. */
  private static final int WORTHWHILE_LANES = 3;

  private static final VarHandle LONG_BE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle LONG_NATIVE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final WipeableKey macKey;
  private final WipeableKey streamKey;

  @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few volumes are open
  private final ThreadLocal<Worker> workers = ThreadLocal.withInitial(this::newWorker);

  /** {@code key}: the CMAC key, then the CTR key, each 16 or 32 bytes; copied. */
  public AesSiv(byte[] key) {
    if (key.length != 32 && key.length != 64) {
      throw new IllegalArgumentException("AES-SIV key of " + key.length + " bytes");
    }
    int half = key.length / 2;
    macKey = new WipeableKey("AES", key, 0, half);
    streamKey = new WipeableKey("AES", key, half, half);
  }

  @Override
  public int nonceBytes() {
    return NONCE_BYTES;
  }

  @Override
  public int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position) {
    Worker worker = worker();
    worker.begin();
    worker.add(associated, 0, associated.length);
    worker.add(sealed, position, NONCE_BYTES);
    worker.finish(plain, plainPosition, plainBytes);
    int body = position + NONCE_BYTES;
    worker.storeSiv(sealed, body);
    worker.stream(plain, plainPosition, plainBytes, sealed, body + BLOCK);
    return NONCE_BYTES + BLOCK + plainBytes;
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    if (sealedBytes < overheadBytes()) {
      return false;
    }
    Worker worker = worker();
    int body = position + NONCE_BYTES;
    int plainBytes = sealedBytes - NONCE_BYTES - BLOCK;
    worker.loadSiv(sealed, body);
    worker.stream(sealed, body + BLOCK, plainBytes, plain, plainPosition);
    worker.begin();
    worker.add(associated, 0, associated.length);
    worker.add(sealed, position, NONCE_BYTES);
    worker.finish(plain, plainPosition, plainBytes);
    boolean good = worker.sivEquals(sealed, body);
    if (!good) {
      Arrays.fill(plain, plainPosition, plainPosition + plainBytes, (byte) 0);
    }
    return good;
  }

  @Override
  int lanes() {
    return LANES;
  }

  @Override
  void sealLanes(
      int count,
      byte[] associated,
      int associatedBytes,
      byte[] plain,
      int plainBytes,
      byte[] sealed) {
    if (!sideBySide(count, plainBytes)) {
      super.sealLanes(count, associated, associatedBytes, plain, plainBytes, sealed);
      return;
    }
    int sealedBytes = overheadBytes() + plainBytes;
    Worker worker = worker();
    for (int first = 0; first < count; first += LANES) {
      int lanes = Math.min(LANES, count - first);
      worker.s2vAll(
          lanes, associated, first, associatedBytes, sealed, sealedBytes, plain, plainBytes);
      for (int lane = 0; lane < lanes; lane++) {
        int body = (first + lane) * sealedBytes + NONCE_BYTES;
        worker.load(lane);
        worker.storeSiv(sealed, body);
        worker.stream(plain, (first + lane) * plainBytes, plainBytes, sealed, body + BLOCK);
      }
    }
  }

  @Override
  int openLanes(
      int count,
      byte[] associated,
      int associatedBytes,
      byte[] sealed,
      int sealedBytes,
      byte[] plain) {
    int plainBytes = sealedBytes - overheadBytes();
    if (!sideBySide(count, plainBytes)) {
      return super.openLanes(count, associated, associatedBytes, sealed, sealedBytes, plain);
    }
    Worker worker = worker();
    for (int first = 0; first < count; first += LANES) {
      int lanes = Math.min(LANES, count - first);
      for (int lane = 0; lane < lanes; lane++) {
        int body = (first + lane) * sealedBytes + NONCE_BYTES;
        worker.loadSiv(sealed, body);
        worker.stream(sealed, body + BLOCK, plainBytes, plain, (first + lane) * plainBytes);
      }
      worker.s2vAll(
          lanes, associated, first, associatedBytes, sealed, sealedBytes, plain, plainBytes);
      for (int lane = 0; lane < lanes; lane++) {
        worker.load(lane);
        if (!worker.sivEquals(sealed, (first + lane) * sealedBytes + NONCE_BYTES)) {
          Arrays.fill(plain, (first + lane) * plainBytes, count * plainBytes, (byte) 0);
          return first + lane;
        }
      }
    }
    return count;
  }

  private static boolean sideBySide(int count, int plainBytes) {
    return count >= WORTHWHILE_LANES && plainBytes > 0 && plainBytes % BLOCK == 0;
  }

  /** RFC 5297, section 2.6: {@code siv16 || ciphertext} for any number of associated strings. */
  public byte[] seal(byte[] plain, byte[]... associated) {
    Worker worker = worker();
    byte[] sealed = new byte[BLOCK + plain.length];
    worker.s2v(plain, associated);
    worker.storeSiv(sealed, 0);
    worker.stream(plain, 0, plain.length, sealed, BLOCK);
    return sealed;
  }

  /** RFC 5297, section 2.7; null if the sealed form does not authenticate. */
  public byte @Nullable [] open(byte[] sealed, byte[]... associated) {
    if (sealed.length < BLOCK) {
      return null;
    }
    Worker worker = worker();
    byte[] plain = new byte[sealed.length - BLOCK];
    worker.loadSiv(sealed, 0);
    worker.stream(sealed, BLOCK, plain.length, plain, 0);
    worker.s2v(plain, associated);
    return worker.sivEquals(sealed, 0) ? plain : null;
  }

  @Override
  public void close() {
    macKey.destroy();
    streamKey.destroy();
    workers.remove();
  }

  private Worker newWorker() {
    return new Worker(macKey, streamKey);
  }

  private Worker worker() {
    if (macKey.isDestroyed()) {
      throw new IllegalStateException("the key has been wiped");
    }
    return workers.get();
  }

  /** One thread's ciphers and scratch memory. Block values are pairs of big-endian longs. */
  private static final class Worker {
    private final Cipher cbc;
    private final Cipher ctr;
    private final Cipher ecb;
    private final WipeableKey streamKey;
    private final long k1High;
    private final long k1Low;
    private final long k2High;
    private final long k2Low;
    private final long zeroMacHigh;
    private final long zeroMacLow;
    private final byte[] counter = new byte[BLOCK];
    private byte[] message = new byte[4096];
    private byte[] chained = new byte[4096];

    /** Side by side: what goes into AES, and what has come out of it last; a block a lane. */
    private final byte[] blocks = new byte[LANES * BLOCK];

    private final byte[] chains = new byte[LANES * BLOCK];

    /** Side by side: S2V's D of each lane, as pairs. */
    private final long[] values = new long[LANES * 2];

    /** The value being computed: S2V's D, the last MAC, and at the end the SIV. */
    private long high;

    private long low;
    private long macHigh;
    private long macLow;

    Worker(WipeableKey macKey, WipeableKey streamKey) {
      this.streamKey = streamKey;
      cbc =
          Jce.cipher(
              "AES/CBC/NoPadding",
              Cipher.ENCRYPT_MODE,
              macKey,
              new IvParameterSpec(new byte[BLOCK]));
      ctr = Jce.cipher("AES/CTR/NoPadding");
      ecb = Jce.cipher("AES/ECB/NoPadding", Cipher.ENCRYPT_MODE, macKey, null);
      // The subkeys of CMAC (RFC 4493, section 2.3).
      byte[] zero = new byte[BLOCK];
      byte[] l = new byte[BLOCK];
      Jce.apply(cbc, zero, 0, BLOCK, l, 0);
      high = (long) LONG_BE.get(l, 0);
      low = (long) LONG_BE.get(l, 8);
      Arrays.fill(l, (byte) 0);
      twice();
      k1High = high;
      k1Low = low;
      twice();
      k2High = high;
      k2Low = low;
      mac(zero, 0, BLOCK);
      zeroMacHigh = macHigh;
      zeroMacLow = macLow;
    }

    /** S2V's first step: D = CMAC(zero). */
    void begin() {
      high = zeroMacHigh;
      low = zeroMacLow;
    }

    /** S2V: D = dbl(D) xor CMAC(associated). */
    void add(byte[] associated, int position, int length) {
      mac(associated, position, length);
      twice();
      high ^= macHigh;
      low ^= macLow;
    }

    /** S2V's last step over the plain text; the SIV is in {@link #high} and {@link #low}. */
    void finish(byte[] plain, int position, int length) {
      if (length >= BLOCK) {
        chain(plain, position, length, high, low);
      } else {
        byte[] padded = new byte[BLOCK];
        System.arraycopy(plain, position, padded, 0, length);
        padded[length] = (byte) 0x80;
        twice();
        xor(padded, 0, high, low);
        mac(padded, 0, BLOCK);
      }
      high = macHigh;
      low = macLow;
    }

    void s2v(byte[] plain, byte[]... associated) {
      begin();
      for (byte[] one : associated) {
        add(one, 0, one.length);
      }
      finish(plain, 0, plain.length);
    }

    /**
     * {@link #begin}, {@link #add} of the associated data and of the nonce, and {@link #finish} of
     * several messages; the SIV of each is then in {@link #values}.
     *
     * @param first index of the first message in all arrays
     * @param plainBytes a multiple of 16, and not 0
     */
    void s2vAll(
        int lanes,
        byte[] associated,
        int first,
        int associatedBytes,
        byte[] sealed,
        int sealedBytes,
        byte[] plain,
        int plainBytes) {
      begin();
      for (int lane = 0; lane < lanes; lane++) {
        values[2 * lane] = high;
        values[2 * lane + 1] = low;
      }
      macAll(lanes, associated, first * associatedBytes, associatedBytes, associatedBytes, false);
      addAll(lanes);
      macAll(lanes, sealed, first * sealedBytes, sealedBytes, NONCE_BYTES, false);
      addAll(lanes);
      macAll(lanes, plain, first * plainBytes, plainBytes, plainBytes, true);
      for (int lane = 0; lane < lanes; lane++) {
        values[2 * lane] = (long) LONG_BE.get(chains, lane * BLOCK);
        values[2 * lane + 1] = (long) LONG_BE.get(chains, lane * BLOCK + 8);
      }
    }

    /** Makes the value of a lane the current one. */
    void load(int lane) {
      high = values[2 * lane];
      low = values[2 * lane + 1];
    }

    private void addAll(int lanes) {
      for (int lane = 0; lane < lanes; lane++) {
        load(lane);
        twice();
        values[2 * lane] = high ^ (long) LONG_BE.get(chains, lane * BLOCK);
        values[2 * lane + 1] = low ^ (long) LONG_BE.get(chains, lane * BLOCK + 8);
      }
    }

    /**
     * The CMAC of a message in each lane, into {@link #chains}.
     *
     * @param withValues whether the last 16 bytes are xored with the lane's value first
     */
    private void macAll(
        int lanes, byte[] bytes, int position, int stride, int length, boolean withValues) {
      Arrays.fill(chains, (byte) 0);
      int last = Math.max(0, (length - 1) / BLOCK * BLOCK);
      for (int done = 0; done < last; done += BLOCK) {
        gather(lanes, bytes, position + done, stride);
        Jce.apply(ecb, blocks, 0, lanes * BLOCK, chains, 0);
      }
      boolean whole = length - last == BLOCK;
      if (whole) {
        gather(lanes, bytes, position + last, stride);
      } else {
        System.arraycopy(chains, 0, blocks, 0, lanes * BLOCK);
      }
      for (int lane = 0; lane < lanes; lane++) {
        int to = lane * BLOCK;
        if (!whole) {
          int from = position + lane * stride + last;
          for (int i = 0; i < length - last; i++) {
            blocks[to + i] ^= bytes[from + i];
          }
          blocks[to + length - last] ^= (byte) 0x80;
        }
        xor(blocks, to, whole ? k1High : k2High, whole ? k1Low : k2Low);
        if (withValues) {
          xor(blocks, to, values[2 * lane], values[2 * lane + 1]);
        }
      }
      Jce.apply(ecb, blocks, 0, lanes * BLOCK, chains, 0);
    }

    /** Xors the chains with a block of each lane's message. */
    private void gather(int lanes, byte[] bytes, int position, int stride) {
      for (int lane = 0, to = 0, from = position;
          lane < lanes;
          lane++, to += BLOCK, from += stride) {
        LONG_NATIVE.set(
            blocks, to, (long) LONG_NATIVE.get(chains, to) ^ (long) LONG_NATIVE.get(bytes, from));
        LONG_NATIVE.set(
            blocks,
            to + 8,
            (long) LONG_NATIVE.get(chains, to + 8) ^ (long) LONG_NATIVE.get(bytes, from + 8));
      }
    }

    private void mac(byte[] bytes, int position, int length) {
      chain(bytes, position, length, 0, 0);
    }

    /** CMAC of the bytes with the last 16 of them xored with a value (needs at least 16 then). */
    private void chain(byte[] bytes, int position, int length, long endHigh, long endLow) {
      int whole = Math.max(BLOCK, (length + BLOCK - 1) / BLOCK * BLOCK);
      if (message.length < whole) {
        message = new byte[whole];
        chained = new byte[whole];
      }
      System.arraycopy(bytes, position, message, 0, length);
      if ((endHigh | endLow) != 0) {
        xor(message, length - BLOCK, endHigh, endLow);
      }
      if (length == whole) {
        xor(message, whole - BLOCK, k1High, k1Low);
      } else {
        message[length] = (byte) 0x80;
        Arrays.fill(message, length + 1, whole, (byte) 0);
        xor(message, whole - BLOCK, k2High, k2Low);
      }
      Jce.apply(cbc, message, 0, whole, chained, 0);
      macHigh = (long) LONG_BE.get(chained, whole - BLOCK);
      macLow = (long) LONG_BE.get(chained, whole - 8);
    }

    private static void xor(byte[] bytes, int position, long high, long low) {
      LONG_BE.set(bytes, position, (long) LONG_BE.get(bytes, position) ^ high);
      LONG_BE.set(bytes, position + 8, (long) LONG_BE.get(bytes, position + 8) ^ low);
    }

    /** Doubling in GF(2^128), polynomial 0x87, big-endian. */
    private void twice() {
      long carry = high >>> 63;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry * 0x87;
    }

    void storeSiv(byte[] target, int position) {
      LONG_BE.set(target, position, high);
      LONG_BE.set(target, position + 8, low);
    }

    void loadSiv(byte[] source, int position) {
      high = (long) LONG_BE.get(source, position);
      low = (long) LONG_BE.get(source, position + 8);
    }

    boolean sivEquals(byte[] source, int position) {
      long difference =
          ((long) LONG_BE.get(source, position) ^ high)
              | ((long) LONG_BE.get(source, position + 8) ^ low);
      return difference == 0;
    }

    /** AES-CTR from the SIV with its 31st and 63rd bit cleared (RFC 5297, section 2.5). */
    void stream(byte[] in, int position, int length, byte[] out, int outPosition) {
      LONG_BE.set(counter, 0, high);
      LONG_BE.set(counter, 8, low & 0x7fffffff7fffffffL);
      Jce.init(ctr, Cipher.ENCRYPT_MODE, streamKey, new IvParameterSpec(counter));
      Jce.apply(ctr, in, position, length, out, outPosition);
    }
  }
}
