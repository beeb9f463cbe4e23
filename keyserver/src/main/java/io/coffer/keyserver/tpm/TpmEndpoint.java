package io.coffer.keyserver.tpm;

import io.coffer.crypto.RandomBytes;
import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.RSAPublicKeySpec;
import java.util.HexFormat;
import java.util.SortedMap;
import java.util.SortedSet;

/**
 * An endpoint's side of attestation: its TPM's endorsement key, a fresh attestation key beneath it,
 * opening credentials and quoting registers. Nothing is stored in the TPM; {@link #close} flushes
 * both keys. Not thread-safe.
 */
public final class TpmEndpoint implements AutoCloseable {
  /** PolicySecret(TPM_RH_ENDORSEMENT), by the EK Credential Profile of the TCG. */
  private static final byte[] EK_POLICY =
      HexFormat.of().parseHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");

  private static final byte[] EK_TEMPLATE =
      new Fields.Writer()
          .u16(Tpm.ALG_RSA)
          .u16(Tpm.ALG_SHA256)
          .u32(0x000300b2)
          .sized(EK_POLICY)
          .u16(Tpm.ALG_AES)
          .u16(128)
          .u16(Tpm.ALG_CFB)
          .u16(Tpm.ALG_NULL)
          .u16(2048)
          .u32(0)
          .sized(new byte[256])
          .toBytes();

  private static final byte[] AK_TEMPLATE =
      new Fields.Writer()
          .u16(Tpm.ALG_ECC)
          .u16(Tpm.ALG_SHA256)
          .u32(0x00050072)
          .u16(0)
          .u16(Tpm.ALG_NULL)
          .u16(Tpm.ALG_ECDSA)
          .u16(Tpm.ALG_SHA256)
          .u16(Tpm.ECC_NIST_P256)
          .u16(Tpm.ALG_NULL)
          .u16(0)
          .u16(0)
          .toBytes();

  /** A quote: TPMS_ATTEST and TPMT_SIGNATURE. */
  public record Quoted(byte[] attest, byte[] signature) {}

  private final TpmCommands tpm;
  private final TpmCommands.Loaded endorsement;
  private final TpmCommands.Loaded attestation;

  /** Makes the keys; the channel stays the caller's. */
  public TpmEndpoint(TpmChannel channel) throws IOException {
    tpm = new TpmCommands(channel);
    endorsement = tpm.createPrimary(Tpm.RH_ENDORSEMENT, EK_TEMPLATE);
    try {
      attestation = tpm.createPrimary(Tpm.RH_ENDORSEMENT, AK_TEMPLATE);
    } catch (IOException | RuntimeException e) {
      tpm.flush(endorsement.handle());
      throw e;
    }
  }

  /** The endorsement key, by which an operator registers this machine. */
  public RSAPublicKey endorsementKey() throws TpmException {
    byte[] area = endorsement.publicArea();
    byte[] modulus = new byte[256];
    System.arraycopy(area, area.length - 256, modulus, 0, 256);
    try {
      return (RSAPublicKey)
          KeyFactory.getInstance("RSA")
              .generatePublic(
                  new RSAPublicKeySpec(new BigInteger(1, modulus), BigInteger.valueOf(65537)));
    } catch (GeneralSecurityException e) {
      throw new TpmException("the endorsement key is malformed", e);
    }
  }

  /** The attestation key's public area (TPMT_PUBLIC). */
  public byte[] attestationKey() {
    return attestation.publicArea().clone();
  }

  /** Opens a credential that was made for these two keys. */
  public byte[] activate(Credential credential) throws IOException {
    Fields.Reader started =
        tpm.send(
            false,
            Tpm.CC_START_AUTH_SESSION,
            new Fields.Writer()
                .u32(Tpm.RH_NULL)
                .u32(Tpm.RH_NULL)
                .sized(RandomBytes.of(16))
                .u16(0)
                .u8(Tpm.SE_POLICY)
                .u16(Tpm.ALG_NULL)
                .u16(Tpm.ALG_SHA256)
                .toBytes());
    int session = started.u32();
    boolean used = false;
    try {
      tpm.send(
          true,
          Tpm.CC_POLICY_SECRET,
          new Fields.Writer()
              .u32(Tpm.RH_ENDORSEMENT)
              .u32(session)
              .bytes(TpmCommands.authorization(0))
              .u16(0)
              .u16(0)
              .u16(0)
              .u32(0)
              .toBytes());
      Fields.Reader opened =
          tpm.send(
              true,
              Tpm.CC_ACTIVATE_CREDENTIAL,
              new Fields.Writer()
                  .u32(attestation.handle())
                  .u32(endorsement.handle())
                  .bytes(TpmCommands.authorization(session))
                  .sized(credential.blob())
                  .sized(credential.encryptedSeed())
                  .toBytes());
      used = true; // and thereby flushed, since it was not to be continued
      opened.u32();
      return opened.sized();
    } finally {
      if (!used) {
        tpm.flush(session);
      }
    }
  }

  /** Has the TPM quote registers together with up to 32 bytes of the challenger. */
  public Quoted quote(SortedSet<Integer> registers, byte[] qualifying) throws IOException {
    Fields.Reader response =
        tpm.send(
            true,
            Tpm.CC_QUOTE,
            new Fields.Writer()
                .u32(attestation.handle())
                .bytes(TpmCommands.authorization(0))
                .sized(qualifying)
                .u16(Tpm.ALG_NULL)
                .bytes(TpmCommands.selection(registers))
                .toBytes());
    response.u32();
    byte[] attest = response.sized();
    Fields.Writer signature = new Fields.Writer();
    signature.u16(response.u16()).u16(response.u16());
    signature.sized(response.sized()).sized(response.sized());
    return new Quoted(attest, signature.toBytes());
  }

  /** Reads registers of the SHA-256 bank. */
  public SortedMap<Integer, byte[]> read(SortedSet<Integer> registers) throws IOException {
    return tpm.read(registers);
  }

  @Override
  public void close() throws IOException {
    try {
      tpm.flush(attestation.handle());
    } finally {
      tpm.flush(endorsement.handle());
    }
  }
}
