package io.coffer.keyserver.tpm;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.Arrays;

/**
 * The public part of an attestation key (TPMT_PUBLIC): restricted, so that it signs nothing but
 * what the TPM itself says; fixed to its TPM; ECDSA over P-256 with SHA-256.
 *
 * @param key verifies its signatures
 * @param name u16 0x000b || SHA-256(TPMT_PUBLIC), by which the TPM knows it
 */
public record AttestationKey(PublicKey key, byte[] name) {
  private static final int COORDINATE_BYTES = 32;

  /** Reads one, and refuses every other kind of key. */
  public static AttestationKey parse(byte[] publicArea) throws TpmException {
    Fields.Reader in = new Fields.Reader(publicArea);
    in.expect(in.u16(), Tpm.ALG_ECC, "type of key");
    in.expect(in.u16(), Tpm.ALG_SHA256, "name algorithm");
    int attributes = in.u32();
    if ((attributes & Tpm.AK_NEEDED) != Tpm.AK_NEEDED || (attributes & Tpm.AK_FORBIDDEN) != 0) {
      throw new TpmException("the key is no restricted signing key fixed to its TPM");
    }
    in.sized();
    in.expect(in.u16(), Tpm.ALG_NULL, "symmetric algorithm");
    in.expect(in.u16(), Tpm.ALG_ECDSA, "signature scheme");
    in.expect(in.u16(), Tpm.ALG_SHA256, "signature hash");
    in.expect(in.u16(), Tpm.ECC_NIST_P256, "curve");
    in.expect(in.u16(), Tpm.ALG_NULL, "key derivation");
    ECPoint point = new ECPoint(new BigInteger(1, in.sized()), new BigInteger(1, in.sized()));
    in.end();
    try {
      AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
      curve.init(new ECGenParameterSpec("secp256r1"));
      ECParameterSpec parameters = curve.getParameterSpec(ECParameterSpec.class);
      PublicKey key =
          KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, parameters));
      return new AttestationKey(key, name(publicArea));
    } catch (GeneralSecurityException e) {
      throw new TpmException("the attestation key is no point on the curve", e);
    }
  }

  static byte[] name(byte[] publicArea) {
    return ByteBuffer.allocate(2 + 32)
        .putShort((short) Tpm.ALG_SHA256)
        .put(sha256(publicArea))
        .array();
  }

  static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** Is a TPMT_SIGNATURE this key's, over these bytes? */
  boolean verifies(byte[] signed, byte[] signature) throws TpmException {
    Fields.Reader in = new Fields.Reader(signature);
    in.expect(in.u16(), Tpm.ALG_ECDSA, "signature scheme");
    in.expect(in.u16(), Tpm.ALG_SHA256, "signature hash");
    byte[] both = new byte[2 * COORDINATE_BYTES];
    for (int i = 0; i < 2; i++) {
      byte[] number = in.sized();
      if (number.length > COORDINATE_BYTES) {
        throw new TpmException("the signature is malformed");
      }
      int end = (i + 1) * COORDINATE_BYTES;
      System.arraycopy(number, 0, both, end - number.length, number.length);
    }
    in.end();
    try {
      Signature verifier = Signature.getInstance("SHA256withECDSAinP1363Format");
      verifier.initVerify(key);
      verifier.update(signed);
      return verifier.verify(both);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AttestationKey that && Arrays.equals(name, that.name);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(name);
  }
}
