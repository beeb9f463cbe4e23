package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;
import org.jspecify.annotations.Nullable;

/**
 * HMAC-SHA-512 (RFC 2104) of many messages under one key: by the system's libcrypto where it
 * answers as Java does, else by Java. Java's has to be compiled first, at a time when each file of
 * a new mount needs a key.
 *
 * <p>For one thread at a time. Closing wipes the key.
 */
abstract sealed class HmacSha512 implements AutoCloseable {
  /** Bytes of a result. */
  static final int BYTES = 64;

  /** What libcrypto takes in one piece; longer messages go to it piece by piece. */
  private static final int PIECE_BYTES = 256;

  /** Tried once. */
  private static final class Native {
    static final boolean TRUSTED =
        ContentCiphers.isNativeWanted() && LibCrypto.isPresent() && agrees();

    private static boolean agrees() {
      byte[] key = RuntimeCheck.pattern(BYTES, 5);
      byte[] message = RuntimeCheck.pattern(PIECE_BYTES + 1, 7);
      HmacSha512 tried = ByLibCrypto.open(key);
      if (tried == null) {
        return false;
      }
      try (tried;
          HmacSha512 sure = new ByJava(key)) {
        byte[] expected = sure.compute(message);
        byte[] first = tried.compute(message);
        // Again, which begins from what the key left.
        return Arrays.equals(first, expected) && Arrays.equals(tried.compute(message), expected);
      } catch (IllegalStateException e) {
        return false;
      }
    }
  }

  /** {@code key}: copied; the caller still owns it. */
  static HmacSha512 of(byte[] key) {
    HmacSha512 opened = Native.TRUSTED ? ByLibCrypto.open(key) : null;
    return opened == null ? new ByJava(key) : opened;
  }

  /** {@value #BYTES} bytes, for the caller to wipe. */
  abstract byte[] compute(byte[] message);

  @Override
  public abstract void close();

  private static final class ByJava extends HmacSha512 {
    private static final String NAME = "HmacSHA512";

    private final Mac mac;

    ByJava(byte[] key) {
      try {
        mac = Mac.getInstance(NAME);
        init(key);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("this Java runtime lacks " + NAME, e);
      }
    }

    private void init(byte[] key) throws GeneralSecurityException {
      WipeableKey macKey = new WipeableKey(NAME, key, 0, key.length);
      try {
        mac.init(macKey);
      } finally {
        macKey.destroy();
      }
    }

    @Override
    byte[] compute(byte[] message) {
      return mac.doFinal(message);
    }

    @Override
    public void close() {
      try {
        // The JDK's HMAC keeps its padded key in arrays that a new key overwrites.
        init(new byte[BYTES]);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static final class ByLibCrypto extends HmacSha512 {
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    private final long context;

    /** A piece of the message, the result, and its length, which nobody asks for. */
    private final MemorySegment memory = Arena.ofAuto().allocate(PIECE_BYTES + BYTES + 8, 8);

    private ByLibCrypto(long context) {
      this.context = context;
    }

    static @Nullable HmacSha512 open(byte[] key) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment copy = arena.allocateFrom(BYTE, key);
        long context = LibCrypto.newHmacSha512(copy.address(), key.length);
        copy.fill((byte) 0);
        return context == 0 ? null : new ByLibCrypto(context);
      }
    }

    @Override
    byte[] compute(byte[] message) {
      long piece = memory.address();
      boolean good = LibCrypto.restartHmac(context);
      for (int at = 0; at < message.length; at += PIECE_BYTES) {
        int some = Math.min(PIECE_BYTES, message.length - at);
        MemorySegment.copy(message, at, memory, BYTE, 0, some);
        good &= LibCrypto.updateHmac(context, piece, some);
      }
      good &= LibCrypto.endHmac(context, piece + PIECE_BYTES, piece + PIECE_BYTES + BYTES);
      byte[] result = memory.asSlice(PIECE_BYTES, BYTES).toArray(BYTE);
      memory.fill((byte) 0);
      if (!good) {
        throw new IllegalStateException("libcrypto failed to compute an HMAC");
      }
      return result;
    }

    @Override
    public void close() {
      LibCrypto.freeHmac(context);
    }
  }
}
