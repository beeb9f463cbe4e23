package io.coffer.format.fscrypt;

import io.coffer.crypto.Adiantum;
import io.coffer.crypto.StringCipher;

/** Adiantum for names: the tweak is the same for all of them. */
final class AdiantumStrings implements StringCipher {
  private final Adiantum cipher;
  private final byte[] tweak;

  AdiantumStrings(byte[] key, byte[] tweak) {
    this.cipher = new Adiantum(key);
    this.tweak = tweak.clone();
  }

  @Override
  public byte[] encrypt(byte[] plain) {
    byte[] out = plain.clone();
    cipher.encrypt(tweak, out, 0, out.length);
    return out;
  }

  @Override
  public byte[] decrypt(byte[] encrypted) {
    byte[] out = encrypted.clone();
    cipher.decrypt(tweak, out, 0, out.length);
    return out;
  }

  @Override
  public void close() {
    cipher.close();
  }
}
