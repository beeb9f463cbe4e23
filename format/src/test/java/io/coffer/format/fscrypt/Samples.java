package io.coffer.format.fscrypt;

import io.coffer.crypto.SecretBytes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.util.HexFormat;

/** The key and nonce of the known answers, and short ways to use them. */
final class Samples {
  static final byte[] NONCE = HexFormat.of().parseHex("000102030405060708090a0b0c0d0e0f");

  private Samples() {}

  static byte[] hex(String text) {
    return HexFormat.of().parseHex(text);
  }

  static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** The master key 01, 02, .. of so many bytes. */
  static FscryptMasterKey masterKey(int length) {
    byte[] raw = new byte[length];
    for (int i = 0; i < length; i++) {
      raw[i] = (byte) (i + 1);
    }
    return masterKey(raw);
  }

  static FscryptMasterKey masterKey(byte[] raw) {
    try (SecretBytes secret = SecretBytes.copyOf(raw)) {
      return new FscryptMasterKey(secret);
    }
  }

  static NamesMode partnerOf(ContentsMode contents) {
    return switch (contents) {
      case AES_256_XTS -> NamesMode.AES_256_CTS;
      case AES_128_CBC -> NamesMode.AES_128_CTS;
      case ADIANTUM -> NamesMode.ADIANTUM;
    };
  }

  static ContentsMode partnerOf(NamesMode names) {
    return switch (names) {
      case AES_256_CTS, AES_256_HCTR2 -> ContentsMode.AES_256_XTS;
      case AES_128_CTS -> ContentsMode.AES_128_CBC;
      case ADIANTUM -> ContentsMode.ADIANTUM;
    };
  }

  static FscryptContext context(FscryptMasterKey key, ContentsMode contents, int log2) {
    return new FscryptContext(
        new FscryptPolicy(contents, partnerOf(contents), 32, log2, key.identifier()), NONCE);
  }

  static FscryptContext context(FscryptMasterKey key, NamesMode names, int padding) {
    return new FscryptContext(
        new FscryptPolicy(partnerOf(names), names, padding, 12, key.identifier()), NONCE);
  }

  /** What a file of these bytes is stored as, from its first unit on. */
  static byte[] seal(FscryptContents contents, long firstUnit, byte[] plain) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, plain);
      MemorySegment to = arena.allocate(plain.length + contents.unitBytes());
      int stored = contents.seal(firstUnit, from, 0, plain.length, to, 0);
      return to.asSlice(0, stored).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  static byte[] open(FscryptContents contents, long firstUnit, byte[] stored)
      throws io.coffer.format.BlockException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, stored);
      MemorySegment to = arena.allocate(stored.length + 1L);
      int plain = contents.open(firstUnit, from, 0, stored.length, to, 0);
      return to.asSlice(0, plain).toArray(ValueLayout.JAVA_BYTE);
    }
  }
}
