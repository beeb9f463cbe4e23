package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.InvalidKeyException;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Mac;
import org.jspecify.annotations.Nullable;

/**
 * HMAC (RFC 2104) of many messages under one key: by the system's libcrypto where it gives known
 * answers, else by Java. Java's has to be loaded and compiled first, at a time when a mount waits
 * for its keys, and each file for its own.
 *
 * <p>For one thread at a time. Closing wipes the key.
 */
abstract sealed class Hmac implements AutoCloseable {
  /** What libcrypto takes in one piece; longer messages go to it piece by piece. */
  private static final int PIECE_BYTES = 256;

  /** The hash within. */
  enum Hash {
    SHA256(32, "HmacSHA256", "EVP_sha256"),
    SHA512(64, "HmacSHA512", "EVP_sha512");

    private final int bytes;
    private final String javaName;
    private final String function;

    Hash(int bytes, String javaName, String function) {
      this.bytes = bytes;
      this.javaName = javaName;
      this.function = function;
    }

    /** Bytes of a result. */
    int bytes() {
      return bytes;
    }
  }

  // Tried once, when the first of its kind is made.

  private static final class NativeSha256 {
    static final boolean TRUSTED =
        answers(Hash.SHA256, "6782cecb78826f41f1e7ef60e8beee59cedcec2e18d4bcbab17052ecbf153f8c");
  }

  private static final class NativeSha512 {
    static final boolean TRUSTED =
        answers(
            Hash.SHA512,
            "87b0ef0605a19d817b2861fecd93ff10d3e2804db79bc7d90af12fb803462cce"
                + "e118aec69a9719f8c7c9b140619b69f8d6e1fae18d8cb4f0d847458f7d28585e");
  }

  private static boolean answers(Hash hash, String expected) {
    if (!ContentCiphers.isNativeThere()) {
      return false;
    }
    Hmac tried = ByLibCrypto.open(hash, RuntimeCheck.pattern(hash.bytes, 5));
    if (tried == null) {
      return false;
    }
    byte[] answer = HexFormat.of().parseHex(expected);
    byte[] message = RuntimeCheck.pattern(PIECE_BYTES + 1, 7);
    try (tried) {
      byte[] first = tried.compute(message);
      // Again, which begins from what the key left.
      return Arrays.equals(first, answer) && Arrays.equals(tried.compute(message), answer);
    } catch (IllegalStateException e) {
      return false;
    }
  }

  /** {@code key}: not empty; copied, the caller still owns it. */
  static Hmac of(Hash hash, byte[] key) {
    boolean trusted =
        switch (hash) {
          case SHA256 -> NativeSha256.TRUSTED;
          case SHA512 -> NativeSha512.TRUSTED;
        };
    Hmac opened = trusted ? ByLibCrypto.open(hash, key) : null;
    return opened == null ? new ByJava(hash, key) : opened;
  }

  /** As many bytes as the hash has, for the caller to wipe. */
  abstract byte[] compute(byte[] message);

  @Override
  public abstract void close();

  private static final class ByJava extends Hmac {
    private final Hash hash;
    private final Mac mac;

    ByJava(Hash hash, byte[] key) {
      this.hash = hash;
      mac = Jce.mac(hash.javaName);
      init(key);
    }

    private void init(byte[] key) {
      WipeableKey macKey = new WipeableKey(hash.javaName, key, 0, key.length);
      try {
        mac.init(macKey);
      } catch (InvalidKeyException e) {
        throw new IllegalStateException("cannot initialise " + hash.javaName, e);
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
      // The JDK's HMAC keeps its padded key in arrays that a new key overwrites.
      init(new byte[hash.bytes]);
    }
  }

  private static final class ByLibCrypto extends Hmac {
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    private final Hash hash;
    private final long context;

    /** A piece of the message, the result, and its length, which nobody asks for. */
    private final MemorySegment memory;

    private ByLibCrypto(Hash hash, long context) {
      this.hash = hash;
      this.context = context;
      memory = Arena.ofAuto().allocate(PIECE_BYTES + hash.bytes + 8, 8);
    }

    static @Nullable Hmac open(Hash hash, byte[] key) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment copy = arena.allocateFrom(BYTE, key);
        long context = LibCrypto.newHmac(hash.function, copy.address(), key.length);
        copy.fill((byte) 0);
        return context == 0 ? null : new ByLibCrypto(hash, context);
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
      good &= LibCrypto.endHmac(context, piece + PIECE_BYTES, piece + PIECE_BYTES + hash.bytes);
      byte[] result = memory.asSlice(PIECE_BYTES, hash.bytes).toArray(BYTE);
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
