package io.coffer.keyserver.login;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The public keys of an issuer (RFC 7517) that can verify RS256 or ES256: RSA of at least 2048 bits
 * and P-256. Keys of other kinds, and keys that are for encryption, are passed over.
 */
record JwkSet(Map<String, PublicKey> keys) {
  private static final int MIN_RSA_BITS = 2048;

  static JwkSet parse(byte[] json) throws JsonException {
    Map<String, PublicKey> keys = new HashMap<>();
    for (JsonObject jwk : JsonObject.parse(json, Set.of()).objects("keys")) {
      String id = jwk.optionalString("kid");
      PublicKey key = key(jwk);
      if (key != null) {
        keys.put(id == null ? "" : id, key);
      }
    }
    return new JwkSet(Map.copyOf(keys));
  }

  private static @Nullable PublicKey key(JsonObject jwk) throws JsonException {
    String use = jwk.optionalString("use");
    if (use != null && !use.equals("sig")) {
      return null;
    }
    try {
      return switch (jwk.string("kty")) {
        case "RSA" -> {
          RSAPublicKey key =
              (RSAPublicKey)
                  KeyFactory.getInstance("RSA")
                      .generatePublic(new RSAPublicKeySpec(number(jwk, "n"), number(jwk, "e")));
          yield key.getModulus().bitLength() < MIN_RSA_BITS ? null : key;
        }
        case "EC" -> {
          if (!jwk.string("crv").equals("P-256")) {
            yield null;
          }
          AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
          curve.init(new ECGenParameterSpec("secp256r1"));
          yield KeyFactory.getInstance("EC")
              .generatePublic(
                  new ECPublicKeySpec(
                      new ECPoint(number(jwk, "x"), number(jwk, "y")),
                      curve.getParameterSpec(ECParameterSpec.class)));
        }
        default -> null;
      };
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw new JsonException("a key of the issuer is malformed");
    }
  }

  private static BigInteger number(JsonObject jwk, String name) throws JsonException {
    return new BigInteger(1, Base64.getUrlDecoder().decode(jwk.string(name)));
  }

  /** The key with an id; if the token names none, the only one there is. */
  @Nullable PublicKey find(@Nullable String id) {
    if (id != null) {
      return keys.get(id);
    }
    return keys.size() == 1 ? keys.values().iterator().next() : null;
  }
}
