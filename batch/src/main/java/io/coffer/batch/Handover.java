package io.coffer.batch;

import io.coffer.crypto.AesGcm;
import io.coffer.crypto.Hkdf;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The cryptography by which an agent hands a key to a node. The node makes an X25519 key pair for
 * one request; the agent's public key is in the ticket. The key that seals the answer is {@code
 * HKDF-SHA256(X25519 shared secret, salt = ticket secret, info = SHA-256 of the request)}: only who
 * has the ticket and sent the request can open it, and only the agent that made the ticket can have
 * sealed it. Used once, so the AES-GCM nonce is zero.
 */
final class Handover {
  private static final int NONCE_BYTES = 12;
  private static final int TAG_BYTES = 16;

  private Handover() {}

  static KeyPair newKeyPair() {
    try {
      return KeyPairGenerator.getInstance("X25519").generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks X25519", e);
    }
  }

  /** The code that proves to have a ticket's secret. */
  static byte[] code(byte[] secret, String request) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      return mac.doFinal(request.getBytes(StandardCharsets.UTF_8));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks HMAC-SHA-256", e);
    }
  }

  private static byte[] sealingKey(PrivateKey own, byte[] other, byte[] secret, String request)
      throws BatchException {
    try {
      KeyAgreement agreement = KeyAgreement.getInstance("X25519");
      agreement.init(own);
      agreement.doPhase(
          KeyFactory.getInstance("X25519").generatePublic(new X509EncodedKeySpec(other)), true);
      byte[] shared = agreement.generateSecret();
      try {
        byte[] info =
            MessageDigest.getInstance("SHA-256").digest(request.getBytes(StandardCharsets.UTF_8));
        return Hkdf.SHA256.derive(shared, secret, info, 32);
      } finally {
        Arrays.fill(shared, (byte) 0);
      }
    } catch (GeneralSecurityException e) {
      throw new BatchException("the other side's public key is none");
    }
  }

  static byte[] seal(PrivateKey own, byte[] other, byte[] secret, String request, byte[] plain)
      throws BatchException {
    byte[] key = sealingKey(own, other, secret, request);
    try {
      return seal(key, plain);
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  static byte[] open(PrivateKey own, byte[] other, byte[] secret, String request, byte[] sealed)
      throws BatchException {
    byte[] key = sealingKey(own, other, secret, request);
    try {
      return open(key, sealed);
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  /** Seals by a key that is used once. */
  static byte[] seal(byte[] key, byte[] plain) {
    byte[] sealed = new byte[NONCE_BYTES + plain.length + TAG_BYTES];
    try (AesGcm cipher = new AesGcm(key, NONCE_BYTES)) {
      cipher.seal(new byte[0], plain, 0, plain.length, sealed, 0);
    }
    return sealed;
  }

  /** Opens what {@link #seal(byte[], byte[])} sealed. */
  static byte[] open(byte[] key, byte[] sealed) throws BatchException {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) {
      throw new BatchException("what was sealed is too short");
    }
    byte[] plain = new byte[sealed.length - NONCE_BYTES - TAG_BYTES];
    try (AesGcm cipher = new AesGcm(key, NONCE_BYTES)) {
      if (!cipher.open(new byte[0], sealed, 0, sealed.length, plain, 0)) {
        throw new BatchException("what was sealed does not open");
      }
    }
    return plain;
  }
}
