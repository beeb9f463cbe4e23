package io.coffer.keyserver.tpm;

import java.io.ByteArrayOutputStream;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECPoint;
import java.util.SortedMap;
import java.util.TreeSet;

/** What a TPM computes when it is shown a policy (part 3, section 23), with SHA-256. */
public final class TpmPolicy {
  private static final int DIGEST_BYTES = 32;

  private TpmPolicy() {}

  /** After TPM2_PolicyPCR: these registers of the SHA-256 bank have these values. */
  public static byte[] registers(SortedMap<Integer, byte[]> values) {
    return AttestationKey.sha256(
        new Fields.Writer()
            .bytes(new byte[DIGEST_BYTES])
            .u32(Tpm.CC_POLICY_PCR)
            .bytes(TpmCommands.selection(new TreeSet<>(values.keySet())))
            .bytes(digest(values))
            .toBytes());
  }

  static byte[] digest(SortedMap<Integer, byte[]> values) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    values.values().forEach(all::writeBytes);
    return AttestationKey.sha256(all.toByteArray());
  }

  /** After TPM2_PolicyAuthorize: the key has signed whatever policy was shown before. */
  public static byte[] authorized(ECPublicKey key, byte[] reference) {
    byte[] first =
        AttestationKey.sha256(
            new Fields.Writer()
                .bytes(new byte[DIGEST_BYTES])
                .u32(Tpm.CC_POLICY_AUTHORIZE)
                .bytes(AttestationKey.name(publicArea(key)))
                .toBytes());
    return AttestationKey.sha256(new Fields.Writer().bytes(first).bytes(reference).toBytes());
  }

  /** What the key signs to approve a policy; its SHA-256 is the aHash of the specification. */
  public static byte[] approvable(byte[] policy, byte[] reference) {
    return new Fields.Writer().bytes(policy).bytes(reference).toBytes();
  }

  /**
   * TPMT_PUBLIC of an EC P-256 key, with the attributes that tpm2_loadexternal gives one that it
   * reads from a PEM file (sign, decrypt, userWithAuth), so that it has the same name.
   */
  public static byte[] publicArea(ECPublicKey key) {
    ECPoint point = key.getW();
    return new Fields.Writer()
        .u16(Tpm.ALG_ECC)
        .u16(Tpm.ALG_SHA256)
        .u32(0x00060040)
        .u16(0)
        .u16(Tpm.ALG_NULL)
        .u16(Tpm.ALG_NULL)
        .u16(Tpm.ECC_NIST_P256)
        .u16(Tpm.ALG_NULL)
        .sized(TpmSession.coordinate(point.getAffineX()))
        .sized(TpmSession.coordinate(point.getAffineY()))
        .toBytes();
  }
}
