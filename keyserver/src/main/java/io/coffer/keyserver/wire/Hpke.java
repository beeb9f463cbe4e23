package io.coffer.keyserver.wire;

import io.coffer.crypto.SecretBytes;
import io.coffer.crypto.SecretGcm;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.Arrays;
import javax.crypto.DecapsulateException;
import javax.crypto.KDF;
import javax.crypto.KEM;
import javax.crypto.SecretKey;
import javax.crypto.spec.HKDFParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Hybrid public key encryption (RFC 9180) of one message to one public key, base mode: {@code
 * DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM}, which is suite 0x0010, 0x0001, 0x0002. The
 * sealed form is the encapsulated key (65 bytes, uncompressed point) || ciphertext || tag.
 */
public final class Hpke {
  /** Length of a public key and of an encapsulated key. */
  public static final int POINT_BYTES = 65;

  private static final int COORDINATE_BYTES = 32;
  private static final int NONCE_BYTES = SecretGcm.NONCE_BYTES;
  private static final int TAG_BYTES = SecretGcm.OVERHEAD_BYTES - NONCE_BYTES;
  private static final int KEM_ID = 0x0010;
  private static final int KDF_ID = 0x0001;

  private Hpke() {}

  /** A new key pair of the recipient. */
  public static KeyPair newKeyPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks EC P-256", e);
    }
  }

  /** A public key as an uncompressed point (SEC 1, section 2.3.3). */
  public static byte[] encode(ECPublicKey key) {
    byte[] point = new byte[POINT_BYTES];
    point[0] = 4;
    copy(key.getW().getAffineX(), point, 1);
    copy(key.getW().getAffineY(), point, 1 + COORDINATE_BYTES);
    return point;
  }

  private static void copy(BigInteger value, byte[] target, int position) {
    byte[] bytes = value.toByteArray();
    int length = Math.min(bytes.length, COORDINATE_BYTES);
    System.arraycopy(
        bytes, bytes.length - length, target, position + COORDINATE_BYTES - length, length);
  }

  /**
   * Reads a public key.
   *
   * @throws UnwrapException if it is no point on P-256
   */
  public static ECPublicKey decode(byte[] point) throws UnwrapException {
    if (point.length != POINT_BYTES || point[0] != 4) {
      throw new UnwrapException("a public key is an uncompressed point of 65 bytes on P-256");
    }
    try {
      AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
      parameters.init(new ECGenParameterSpec("secp256r1"));
      ECParameterSpec curve = parameters.getParameterSpec(ECParameterSpec.class);
      BigInteger x = new BigInteger(1, point, 1, COORDINATE_BYTES);
      BigInteger y = new BigInteger(1, point, 1 + COORDINATE_BYTES, COORDINATE_BYTES);
      BigInteger p = ((java.security.spec.ECFieldFp) curve.getCurve().getField()).getP();
      BigInteger right =
          x.pow(3).add(curve.getCurve().getA().multiply(x)).add(curve.getCurve().getB()).mod(p);
      if (x.compareTo(p) >= 0 || y.compareTo(p) >= 0 || !y.pow(2).mod(p).equals(right)) {
        throw new UnwrapException("the public key is no point on P-256");
      }
      return (ECPublicKey)
          KeyFactory.getInstance("EC")
              .generatePublic(new ECPublicKeySpec(new ECPoint(x, y), curve));
    } catch (GeneralSecurityException e) {
      throw new UnwrapException("the public key is no point on P-256");
    }
  }

  /** Seals a secret to a public key, bound to {@code info} and {@code associated}. */
  public static byte[] seal(
      ECPublicKey recipient, byte[] info, byte[] associated, SecretBytes secret) {
    try {
      KEM.Encapsulated encapsulated =
          KEM.getInstance("DHKEM").newEncapsulator(recipient).encapsulate();
      byte[] point = encapsulated.encapsulation();
      byte[] body = new byte[NONCE_BYTES + secret.length() + TAG_BYTES];
      try (Schedule schedule = new Schedule(encapsulated.key(), info, 32)) {
        System.arraycopy(schedule.nonce, 0, body, 0, NONCE_BYTES);
        SecretGcm.seal(schedule.key, associated, secret, body, 0);
      }
      return ByteBuffer.allocate(point.length + body.length - NONCE_BYTES)
          .put(point)
          .put(body, NONCE_BYTES, body.length - NONCE_BYTES)
          .array();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks DHKEM over P-256", e);
    }
  }

  /**
   * Opens what was sealed.
   *
   * @throws UnwrapException if it was sealed to another key or for another purpose
   */
  public static SecretBytes open(
      PrivateKey recipient, byte[] info, byte[] associated, byte[] sealed) throws UnwrapException {
    return open(recipient, info, associated, sealed, 32);
  }

  static SecretBytes open(
      PrivateKey recipient, byte[] info, byte[] associated, byte[] sealed, int aesKeyBytes)
      throws UnwrapException {
    if (sealed.length < POINT_BYTES + TAG_BYTES) {
      throw new UnwrapException("the sealed message is too short");
    }
    try {
      SecretKey shared =
          KEM.getInstance("DHKEM")
              .newDecapsulator(recipient)
              .decapsulate(Arrays.copyOf(sealed, POINT_BYTES));
      try (Schedule schedule = new Schedule(shared, info, aesKeyBytes)) {
        byte[] body =
            ByteBuffer.allocate(NONCE_BYTES + sealed.length - POINT_BYTES)
                .put(schedule.nonce)
                .put(sealed, POINT_BYTES, sealed.length - POINT_BYTES)
                .array();
        SecretBytes plain = SecretGcm.open(schedule.key, associated, body, 0);
        if (plain == null) {
          throw new UnwrapException("the message was sealed to another key or for another purpose");
        }
        return plain;
      }
    } catch (DecapsulateException e) {
      throw new UnwrapException("the message was sealed to another key or for another purpose");
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks DHKEM over P-256", e);
    }
  }

  /** KeySchedule of section 5.1, base mode; one message only, so the nonce is the base nonce. */
  private static final class Schedule implements AutoCloseable {
    final SecretBytes key;
    final byte[] nonce;

    Schedule(SecretKey shared, byte[] info, int aesKeyBytes) throws GeneralSecurityException {
      byte[] suite =
          ByteBuffer.allocate(10)
              .put("HPKE".getBytes(StandardCharsets.US_ASCII))
              .putShort((short) KEM_ID)
              .putShort((short) KDF_ID)
              .putShort((short) (aesKeyBytes == 16 ? 1 : 2))
              .array();
      byte[] empty = new byte[0];
      KDF kdf = KDF.getInstance("HKDF-SHA256");
      ByteArrayOutputStream context = new ByteArrayOutputStream();
      context.write(0);
      context.writeBytes(extract(kdf, suite, empty, "psk_id_hash", empty).getEncoded());
      context.writeBytes(extract(kdf, suite, empty, "info_hash", info).getEncoded());
      byte[] salt = shared.getEncoded();
      SecretKey secret = extract(kdf, suite, salt, "secret", empty);
      Arrays.fill(salt, (byte) 0);
      nonce = expand(kdf, suite, secret, "base_nonce", context.toByteArray(), NONCE_BYTES);
      key = SecretBytes.take(expand(kdf, suite, secret, "key", context.toByteArray(), aesKeyBytes));
    }

    private static SecretKey extract(KDF kdf, byte[] suite, byte[] salt, String label, byte[] ikm)
        throws GeneralSecurityException {
      // An empty salt stands for 32 zero bytes (RFC 5869, section 2.2).
      byte[] input = labeled(new byte[0], suite, label, ikm);
      return kdf.deriveKey(
          "Generic",
          HKDFParameterSpec.ofExtract()
              .addSalt(salt.length == 0 ? new byte[32] : salt)
              .addIKM(new SecretKeySpec(input, "Generic"))
              .extractOnly());
    }

    private static byte[] expand(
        KDF kdf, byte[] suite, SecretKey prk, String label, byte[] info, int length)
        throws GeneralSecurityException {
      byte[] prefix = {(byte) (length >>> 8), (byte) length};
      return kdf.deriveData(
          HKDFParameterSpec.expandOnly(prk, labeled(prefix, suite, label, info), length));
    }

    private static byte[] labeled(byte[] prefix, byte[] suite, String label, byte[] data) {
      byte[] version = "HPKE-v1".getBytes(StandardCharsets.US_ASCII);
      byte[] name = label.getBytes(StandardCharsets.US_ASCII);
      return ByteBuffer.allocate(
              prefix.length + version.length + suite.length + name.length + data.length)
          .put(prefix)
          .put(version)
          .put(suite)
          .put(name)
          .put(data)
          .array();
    }

    @Override
    public void close() {
      key.close();
    }
  }
}
