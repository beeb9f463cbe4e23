package io.coffer.keyserver.tpm;

import io.coffer.crypto.SecretBytes;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.interfaces.ECPublicKey;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Seals a secret to a TPM: under its storage key, and under a policy that a key outside of it
 * authorizes ({@code TPM2_PolicyAuthorize}), so that the states of the machine which open it can be
 * changed without the secret. Secrets cross the way to the TPM encrypted. Nothing is stored in the
 * TPM; {@link #close} flushes the storage key. Not thread-safe.
 */
public final class TpmSealer implements AutoCloseable {
  /** The ECC storage key of the TCG's provisioning guidance: P-256, AES-128-CFB, no password. */
  private static final byte[] STORAGE_TEMPLATE =
      new Fields.Writer()
          .u16(Tpm.ALG_ECC)
          .u16(Tpm.ALG_SHA256)
          .u32(0x00030472)
          .u16(0)
          .u16(Tpm.ALG_AES)
          .u16(128)
          .u16(Tpm.ALG_CFB)
          .u16(Tpm.ALG_NULL)
          .u16(Tpm.ECC_NIST_P256)
          .u16(Tpm.ALG_NULL)
          .u16(0)
          .u16(0)
          .toBytes();

  /** fixedTPM, fixedParent, adminWithPolicy, noDA: opened by the policy alone. */
  private static final int SEALED_ATTRIBUTES = 0x00000492;

  private static final int RC_VALUE = 0x04;
  private static final int RC_POLICY_FAIL = 0x1d;
  private static final int RC_SIGNATURE = 0x1b;
  private static final int RC_INTEGRITY = 0x1f;

  /**
   * What a secret is sealed in; of no use but to the TPM it was sealed to.
   *
   * @param storageKey the public area of that TPM's storage key, by which it is known again
   * @param publicArea TPMT_PUBLIC of the sealed object
   * @param privateArea TPM2B_PRIVATE without its size, encrypted by the TPM
   */
  public record Sealed(byte[] storageKey, byte[] publicArea, byte[] privateArea) {}

  private final TpmCommands tpm;
  private final TpmCommands.Loaded storage;

  /** Makes the storage key; the channel stays the caller's. */
  public TpmSealer(TpmChannel channel) throws IOException {
    tpm = new TpmCommands(channel);
    storage = tpm.createPrimary(Tpm.RH_OWNER, STORAGE_TEMPLATE);
  }

  /** Reads registers of the SHA-256 bank. */
  public SortedMap<Integer, byte[]> read(SortedSet<Integer> registers) throws IOException {
    return tpm.read(registers);
  }

  /** Is this the TPM that it was sealed to? */
  public boolean isHome(Sealed sealed) {
    return MessageDigest.isEqual(storage.publicArea(), sealed.storageKey());
  }

  /**
   * Seals a secret of at most 128 bytes.
   *
   * @param policyKey who approves states of the machine
   * @param reference ties approvals to this seal
   */
  public Sealed seal(SecretBytes secret, ECPublicKey policyKey, byte[] reference)
      throws IOException {
    byte[] template =
        new Fields.Writer()
            .u16(Tpm.ALG_KEYEDHASH)
            .u16(Tpm.ALG_SHA256)
            .u32(SEALED_ATTRIBUTES)
            .sized(TpmPolicy.authorized(policyKey, reference))
            .u16(Tpm.ALG_NULL)
            .u16(0)
            .toBytes();
    byte[] rest = new Fields.Writer().sized(template).u16(0).u32(0).toBytes();
    try (TpmSession session = TpmSession.start(tpm, Tpm.SE_HMAC, storage)) {
      Fields.Reader created =
          secret.read(bytes -> {
            byte[] sensitive = new Fields.Writer().u16(0).sized(bytes).toBytes();
            try {
              return session.run(Tpm.CC_CREATE, storage, sensitive, rest, false);
            } finally {
              Arrays.fill(sensitive, (byte) 0);
            }
          });
      byte[] privateArea = created.sized();
      return new Sealed(storage.publicArea().clone(), created.sized(), privateArea);
    }
  }

  /**
   * Opens what was sealed, if the registers have the values that the approval names.
   *
   * @throws TpmException if the TPM refuses: it is another one, the machine is in another state, or
   *     something was tampered with
   */
  public SecretBytes unseal(Sealed sealed, ECPublicKey policyKey, TpmApproval approval)
      throws IOException {
    if (!isHome(sealed)) {
      throw new TpmException("this is not the TPM that it was sealed to");
    }
    try {
      return unsealAtHome(sealed, policyKey, approval);
    } catch (TpmException e) {
      String what =
          e.isFormatOne(RC_INTEGRITY)
              ? "the sealed key was changed after the TPM made it, or the TPM was cleared"
              : e.isFormatOne(RC_SIGNATURE)
                  ? "the approval is not signed by the policy key"
                  : e.isFormatOne(RC_POLICY_FAIL) || e.isFormatOne(RC_VALUE)
                      ? "the machine is not in the approved state, or the approval is for another"
                          + " seal"
                      : null;
      throw what == null ? e : new TpmException(what, e);
    }
  }

  private SecretBytes unsealAtHome(Sealed sealed, ECPublicKey policyKey, TpmApproval approval)
      throws IOException {
    byte[] policy = TpmPolicy.registers(approval.registers());
    byte[] ticket = verify(policyKey, policy, approval);
    TpmCommands.Loaded object = load(sealed);
    try (TpmSession session = TpmSession.start(tpm, Tpm.SE_POLICY, storage)) {
      tpm.send(
          false,
          Tpm.CC_POLICY_PCR,
          new Fields.Writer()
              .u32(session.handle())
              .sized(TpmPolicy.digest(approval.registers()))
              .bytes(TpmCommands.selection(new TreeSet<>(approval.registers().keySet())))
              .toBytes());
      tpm.send(
          false,
          Tpm.CC_POLICY_AUTHORIZE,
          new Fields.Writer()
              .u32(session.handle())
              .sized(policy)
              .sized(approval.reference())
              .sized(AttestationKey.name(TpmPolicy.publicArea(policyKey)))
              .bytes(ticket)
              .toBytes());
      return SecretBytes.take(
          session.run(Tpm.CC_UNSEAL, object, new byte[0], new byte[0], true).sized());
    } finally {
      tpm.flush(object.handle());
    }
  }

  /** Has the TPM verify an approval; returns the ticket (TPMT_TK_VERIFIED) that says so. */
  private byte[] verify(ECPublicKey policyKey, byte[] policy, TpmApproval approval)
      throws IOException {
    int key =
        tpm.send(
                false,
                Tpm.CC_LOAD_EXTERNAL,
                new Fields.Writer()
                    .u16(0)
                    .sized(TpmPolicy.publicArea(policyKey))
                    .u32(Tpm.RH_OWNER)
                    .toBytes())
            .u32();
    try {
      byte[] signature = approval.signature();
      int half = signature.length / 2;
      Fields.Reader verified =
          tpm.send(
              false,
              Tpm.CC_VERIFY_SIGNATURE,
              new Fields.Writer()
                  .u32(key)
                  .sized(AttestationKey.sha256(TpmPolicy.approvable(policy, approval.reference())))
                  .u16(Tpm.ALG_ECDSA)
                  .u16(Tpm.ALG_SHA256)
                  .sized(Arrays.copyOf(signature, half))
                  .sized(Arrays.copyOfRange(signature, half, signature.length))
                  .toBytes());
      return new Fields.Writer()
          .u16(verified.u16())
          .u32(verified.u32())
          .sized(verified.sized())
          .toBytes();
    } finally {
      tpm.flush(key);
    }
  }

  private TpmCommands.Loaded load(Sealed sealed) throws IOException {
    Fields.Reader loaded =
        tpm.send(
            true,
            Tpm.CC_LOAD,
            new Fields.Writer()
                .u32(storage.handle())
                .bytes(TpmCommands.authorization(0))
                .sized(sealed.privateArea())
                .sized(sealed.publicArea())
                .toBytes());
    return new TpmCommands.Loaded(loaded.u32(), sealed.publicArea());
  }

  @Override
  public void close() throws IOException {
    tpm.flush(storage.handle());
  }
}
