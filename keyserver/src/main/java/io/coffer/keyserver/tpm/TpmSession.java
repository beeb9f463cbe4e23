package io.coffer.keyserver.tpm;

import io.coffer.crypto.RandomBytes;
import java.io.IOException;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A session with a TPM that is salted to its storage key (part 1, section 19.6): who listens on the
 * way between processor and TPM learns neither what goes in nor what comes out encrypted, and who
 * changes something on that way is noticed. HMAC-SHA-256, AES-128-CFB. Closing it flushes it. Not
 * thread-safe.
 */
final class TpmSession implements AutoCloseable {
  private static final int COORDINATE_BYTES = 32;
  private static final int NONCE_BYTES = 32;

  private final TpmCommands tpm;
  private final int handle;
  private final byte[] key;
  private byte[] nonceTpm;

  private TpmSession(TpmCommands tpm, int handle, byte[] key, byte[] nonceTpm) {
    this.tpm = tpm;
    this.handle = handle;
    this.key = key;
    this.nonceTpm = nonceTpm;
  }

  /**
   * Starts one.
   *
   * @param type {@link Tpm#SE_HMAC} or {@link Tpm#SE_POLICY}
   * @param storage an ECC P-256 storage key
   */
  static TpmSession start(TpmCommands tpm, int type, TpmCommands.Loaded storage)
      throws IOException {
    byte[] nonceCaller = RandomBytes.of(NONCE_BYTES);
    byte[] salt = new byte[0];
    try {
      AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
      curve.init(new ECGenParameterSpec("secp256r1"));
      ECPoint point = point(storage.publicArea());
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      KeyPair ephemeral = generator.generateKeyPair();
      KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
      agreement.init(ephemeral.getPrivate());
      agreement.doPhase(
          KeyFactory.getInstance("EC")
              .generatePublic(
                  new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class))),
          true);
      byte[] secret = agreement.generateSecret();
      ECPoint own = ((ECPublicKey) ephemeral.getPublic()).getW();
      byte[] ownX = coordinate(own.getAffineX());
      salt = Kdf.e(secret, "SECRET", ownX, coordinate(point.getAffineX()));
      Arrays.fill(secret, (byte) 0);
      byte[] encryptedSalt =
          new Fields.Writer().sized(ownX).sized(coordinate(own.getAffineY())).toBytes();
      Fields.Reader started =
          tpm.send(
              false,
              Tpm.CC_START_AUTH_SESSION,
              new Fields.Writer()
                  .u32(storage.handle())
                  .u32(Tpm.RH_NULL)
                  .sized(nonceCaller)
                  .sized(encryptedSalt)
                  .u8(type)
                  .u16(Tpm.ALG_AES)
                  .u16(128)
                  .u16(Tpm.ALG_CFB)
                  .u16(Tpm.ALG_SHA256)
                  .toBytes());
      int session = started.u32();
      byte[] nonceTpm = started.sized();
      return new TpmSession(tpm, session, Kdf.a(salt, "ATH", nonceTpm, nonceCaller, 256), nonceTpm);
    } catch (GeneralSecurityException e) {
      throw new TpmException("the TPM's storage key is no point on the curve", e);
    } finally {
      Arrays.fill(salt, (byte) 0);
    }
  }

  private static ECPoint point(byte[] publicArea) throws TpmException {
    int tail = 2 * (2 + COORDINATE_BYTES);
    if (publicArea.length < tail) {
      throw new TpmException("the TPM's storage key is of another kind than expected");
    }
    Fields.Reader in =
        new Fields.Reader(
            Arrays.copyOfRange(publicArea, publicArea.length - tail, publicArea.length));
    byte[] x = in.sized();
    byte[] y = in.sized();
    return new ECPoint(new BigInteger(1, x), new BigInteger(1, y));
  }

  /** A coordinate in exactly 32 bytes. */
  static byte[] coordinate(BigInteger number) {
    byte[] bytes = number.toByteArray();
    byte[] exact = new byte[COORDINATE_BYTES];
    int length = Math.min(bytes.length, COORDINATE_BYTES);
    System.arraycopy(bytes, bytes.length - length, exact, COORDINATE_BYTES - length, length);
    return exact;
  }

  int handle() {
    return handle;
  }

  /**
   * Sends a command with one handle, authorized by this TPM session.
   *
   * @param object whose authorization it needs; without a password
   * @param first the first parameter, a 2B, sent encrypted if it is not empty
   * @param rest the others
   * @param encryptedAnswer is the first parameter of the answer a 2B to be encrypted by the TPM?
   * @return the parameters of the answer, authenticated and decrypted
   */
  Fields.Reader run(
      int code, TpmCommands.Loaded object, byte[] first, byte[] rest, boolean encryptedAnswer)
      throws IOException {
    byte[] nonceCaller = RandomBytes.of(NONCE_BYTES);
    int attributes =
        Tpm.SESSION_CONTINUE
            | (first.length > 0 ? Tpm.SESSION_DECRYPT : 0)
            | (encryptedAnswer ? Tpm.SESSION_ENCRYPT : 0);
    Fields.Writer parameters = new Fields.Writer();
    if (first.length > 0) {
      parameters.sized(cipher(Cipher.ENCRYPT_MODE, first, nonceCaller, nonceTpm));
    }
    byte[] all = parameters.bytes(rest).toBytes();
    byte[] hash =
        AttestationKey.sha256(
            new Fields.Writer().u32(code).bytes(object.name()).bytes(all).toBytes());
    byte[] flags = {(byte) attributes};
    byte[] authorization =
        new Fields.Writer()
            .u32(handle)
            .sized(nonceCaller)
            .u8(attributes)
            .sized(Kdf.hmac(key, hash, nonceCaller, nonceTpm, flags))
            .toBytes();
    Fields.Reader response =
        tpm.send(
            true,
            code,
            new Fields.Writer()
                .u32(object.handle())
                .u32(authorization.length)
                .bytes(authorization)
                .bytes(all)
                .toBytes());
    byte[] answer = response.bytes(response.u32());
    nonceTpm = response.sized();
    byte[] answered = {(byte) response.u8()};
    byte[] mac = response.sized();
    response.end();
    byte[] answerHash =
        AttestationKey.sha256(new Fields.Writer().u32(0).u32(code).bytes(answer).toBytes());
    if (!MessageDigest.isEqual(mac, Kdf.hmac(key, answerHash, nonceTpm, nonceCaller, answered))) {
      throw new TpmException("what was received is not what the TPM sent: something is between");
    }
    if (encryptedAnswer) {
      Fields.Reader encrypted = new Fields.Reader(answer);
      byte[] secret = encrypted.sized();
      byte[] clear = cipher(Cipher.DECRYPT_MODE, secret, nonceTpm, nonceCaller);
      System.arraycopy(clear, 0, answer, 2, clear.length);
      Arrays.fill(clear, (byte) 0);
    }
    return new Fields.Reader(answer);
  }

  private byte[] cipher(int mode, byte[] text, byte[] newer, byte[] older) {
    byte[] derived = Kdf.a(key, "CFB", newer, older, 256);
    try {
      Cipher cfb = Cipher.getInstance("AES/CFB/NoPadding");
      cfb.init(
          mode, new SecretKeySpec(derived, 0, 16, "AES"), new IvParameterSpec(derived, 16, 16));
      return cfb.doFinal(text);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks AES-CFB", e);
    } finally {
      Arrays.fill(derived, (byte) 0);
    }
  }

  @Override
  public void close() throws IOException {
    Arrays.fill(key, (byte) 0);
    tpm.flush(handle);
  }
}
