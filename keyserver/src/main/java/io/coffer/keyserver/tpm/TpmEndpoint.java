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
import java.util.TreeMap;

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

  private static final int MAX_TRIES = 10;

  private record Loaded(int handle, byte[] publicArea) {}

  /** A quote: TPMS_ATTEST and TPMT_SIGNATURE. */
  public record Quoted(byte[] attest, byte[] signature) {}

  private final TpmChannel channel;
  private final Loaded endorsement;
  private final Loaded attestation;

  /** Makes the keys; the channel stays the caller's. */
  public TpmEndpoint(TpmChannel channel) throws IOException {
    this.channel = channel;
    endorsement = createPrimary(EK_TEMPLATE);
    try {
      attestation = createPrimary(AK_TEMPLATE);
    } catch (IOException | RuntimeException e) {
      flush(endorsement.handle());
      throw e;
    }
  }

  private Fields.Reader send(boolean sessions, int code, byte[] rest) throws IOException {
    byte[] command =
        new Fields.Writer()
            .u16(sessions ? Tpm.ST_SESSIONS : Tpm.ST_NO_SESSIONS)
            .u32(10 + rest.length)
            .u32(code)
            .bytes(rest)
            .toBytes();
    Fields.Reader response;
    int result;
    int tries = 0;
    do {
      response = new Fields.Reader(channel.transmit(command));
      response.u16();
      response.u32();
      result = response.u32();
      tries++;
      // A TPM that has something else to do first wants to be asked again.
    } while (result == Tpm.RC_RETRY && tries < MAX_TRIES);
    if (result != 0) {
      throw new TpmException("the TPM refuses command 0x%x with 0x%x".formatted(code, result));
    }
    return response;
  }

  /** An authorization area with the empty password, and with a policy session if there is one. */
  private static byte[] authorization(int policySession) {
    Fields.Writer sessions = new Fields.Writer().u32(Tpm.RS_PW).u16(0).u8(0).u16(0);
    if (policySession != 0) {
      sessions.u32(policySession).u16(0).u8(0).u16(0);
    }
    byte[] area = sessions.toBytes();
    return new Fields.Writer().u32(area.length).bytes(area).toBytes();
  }

  private Loaded createPrimary(byte[] template) throws IOException {
    Fields.Reader response =
        send(
            true,
            Tpm.CC_CREATE_PRIMARY,
            new Fields.Writer()
                .u32(Tpm.RH_ENDORSEMENT)
                .bytes(authorization(0))
                .sized(new byte[4])
                .sized(template)
                .u16(0)
                .u32(0)
                .toBytes());
    int handle = response.u32();
    response.u32();
    return new Loaded(handle, response.sized());
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
        send(
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
      send(
          true,
          Tpm.CC_POLICY_SECRET,
          new Fields.Writer()
              .u32(Tpm.RH_ENDORSEMENT)
              .u32(session)
              .bytes(authorization(0))
              .u16(0)
              .u16(0)
              .u16(0)
              .u32(0)
              .toBytes());
      Fields.Reader opened =
          send(
              true,
              Tpm.CC_ACTIVATE_CREDENTIAL,
              new Fields.Writer()
                  .u32(attestation.handle())
                  .u32(endorsement.handle())
                  .bytes(authorization(session))
                  .sized(credential.blob())
                  .sized(credential.encryptedSeed())
                  .toBytes());
      used = true; // and thereby flushed, since it was not to be continued
      opened.u32();
      return opened.sized();
    } finally {
      if (!used) {
        flush(session);
      }
    }
  }

  private static byte[] selection(SortedSet<Integer> registers) {
    byte[] bits = new byte[Tpm.PCRS / 8];
    registers.forEach(register -> bits[register / 8] |= (byte) (1 << register % 8));
    return new Fields.Writer().u32(1).u16(Tpm.ALG_SHA256).u8(bits.length).bytes(bits).toBytes();
  }

  /** Has the TPM quote registers together with up to 32 bytes of the challenger. */
  public Quoted quote(SortedSet<Integer> registers, byte[] qualifying) throws IOException {
    Fields.Reader response =
        send(
            true,
            Tpm.CC_QUOTE,
            new Fields.Writer()
                .u32(attestation.handle())
                .bytes(authorization(0))
                .sized(qualifying)
                .u16(Tpm.ALG_NULL)
                .bytes(selection(registers))
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
    SortedMap<Integer, byte[]> values = new TreeMap<>();
    for (int register : registers) {
      Fields.Reader response =
          send(
              false,
              Tpm.CC_PCR_READ,
              selection(new java.util.TreeSet<>(java.util.Set.of(register))));
      response.u32();
      response.expect(response.u32(), 1, "number of banks");
      response.u16();
      response.bytes(response.u8());
      response.expect(response.u32(), 1, "number of registers; has it a SHA-256 bank?");
      values.put(register, response.sized());
    }
    return values;
  }

  private void flush(int handle) throws IOException {
    send(false, Tpm.CC_FLUSH_CONTEXT, new Fields.Writer().u32(handle).toBytes());
  }

  @Override
  public void close() throws IOException {
    try {
      flush(attestation.handle());
    } finally {
      flush(endorsement.handle());
    }
  }
}
