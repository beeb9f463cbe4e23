package io.coffer.keyserver.tpm;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.coffer.crypto.RandomBytes;
import java.security.GeneralSecurityException;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

/**
 * A secret that only the TPM with an endorsement key can open, and only if it also holds an
 * attestation key (TPM2_MakeCredential, part 1, section 24; no TPM is needed to make one). The
 * endorsement key is RSA with 2048 bits after the template L-1 of the TCG: SHA-256, AES-128-CFB.
 *
 * @param blob TPMS_ID_OBJECT
 * @param encryptedSeed the seed, RSA-OAEP
 */
public record Credential(byte[] blob, byte[] encryptedSeed) {
  private static final int SEED_BYTES = 32;

  /**
   * Makes one.
   *
   * @param secret at most 32 bytes
   * @param name of the attestation key
   */
  public static Credential make(RSAPublicKey endorsement, byte[] name, byte[] secret)
      throws TpmException {
    byte[] seed = RandomBytes.of(SEED_BYTES);
    try {
      Cipher oaep = Cipher.getInstance("RSA/ECB/OAEPPadding");
      oaep.init(
          Cipher.ENCRYPT_MODE,
          endorsement,
          new OAEPParameterSpec(
              "SHA-256",
              "MGF1",
              MGF1ParameterSpec.SHA256,
              new PSource.PSpecified("IDENTITY\0".getBytes(US_ASCII))));
      byte[] encryptedSeed = oaep.doFinal(seed);
      byte[] storage = Kdf.a(seed, "STORAGE", name, new byte[0], 128);
      Cipher cfb = Cipher.getInstance("AES/CFB/NoPadding");
      cfb.init(
          Cipher.ENCRYPT_MODE,
          new SecretKeySpec(storage, "AES"),
          new IvParameterSpec(new byte[16]));
      byte[] identity = cfb.doFinal(new Fields.Writer().sized(secret).toBytes());
      byte[] hmac =
          Kdf.hmac(Kdf.a(seed, "INTEGRITY", new byte[0], new byte[0], 256), identity, name);
      return new Credential(
          new Fields.Writer().sized(hmac).bytes(identity).toBytes(), encryptedSeed);
    } catch (GeneralSecurityException e) {
      throw new TpmException("the endorsement key cannot encrypt", e);
    } finally {
      Arrays.fill(seed, (byte) 0);
    }
  }
}
