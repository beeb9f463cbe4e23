package io.coffer.keyserver.seal;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.pkcs11.Token;
import io.coffer.keyserver.pkcs11.TokenException;
import io.coffer.keyserver.seal.Seal.Opened;
import io.coffer.keyserver.seal.Seal.Slot;
import java.io.IOException;
import java.nio.file.Path;

/**
 * Slots of a seal that a PKCS#11 token opens: a random slot key, encrypted by an AES key that
 * cannot leave the token. What the token gives back is authenticated by the wrapping of the root
 * key, whichever mode the token knows.
 */
public final class TokenSeals {
  private static final int KEY_BYTES = 32;

  private TokenSeals() {}

  /**
   * Adds a slot; the key is made on the token if it is not there.
   *
   * @param token label or serial number
   * @param key label
   */
  public static Seal add(
      Seal seal,
      SecretBytes root,
      String name,
      Path library,
      String token,
      String key,
      SecretBytes pin)
      throws SealException, IOException {
    try (SecretBytes slotKey = SecretBytes.random(KEY_BYTES);
        Token open = Token.open(library, token, pin)) {
      open.requireKey(key);
      Token.Wrapped wrapped = open.wrap(key, slotKey);
      Way way = new Way.Token(token, key, wrapped.mechanism(), wrapped.iv(), wrapped.bytes());
      return seal.withKey(root, name, way, slotKey);
    } catch (TokenException e) {
      throw new SealException(String.valueOf(e.getMessage()), e.advice());
    }
  }

  /** Opens the root key by a token; the first of the slots that it opens. */
  public static Opened open(Seal seal, Path library, SecretBytes pin)
      throws SealException, IOException {
    SealException last = new SealException("the server is not sealed to a token");
    for (Slot slot : seal.slots()) {
      if (slot.way() instanceof Way.Token way) {
        try (Token open = Token.open(library, way.token(), pin);
            SecretBytes key =
                open.unwrap(
                    way.key(), new Token.Wrapped(way.mechanism(), way.iv(), way.wrappedKey()))) {
          return seal.open(slot, key);
        } catch (TokenException e) {
          last = new SealException(String.valueOf(e.getMessage()), e.advice());
          if (!e.isAbsent()) {
            // Above all, a PIN that was wrong once is not given again.
            throw last;
          }
        }
      }
    }
    throw last;
  }
}
