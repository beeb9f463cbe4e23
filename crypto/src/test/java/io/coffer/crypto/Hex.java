package io.coffer.crypto;

import java.util.HexFormat;

/** Hexadecimal text of test vectors, with spaces as their sources print them. */
final class Hex {
  private Hex() {}

  static byte[] bytes(String text) {
    return HexFormat.of().parseHex(text.replace(" ", ""));
  }

  static String text(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
