package io.coffer.keyserver.seal;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.seal.Seal.Opened;
import io.coffer.keyserver.seal.Seal.Slot;
import io.coffer.keyserver.tpm.TpmApproval;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmException;
import io.coffer.keyserver.tpm.TpmSealer;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.ECPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Slots of a seal that a TPM opens: a random slot key, sealed to that TPM under a policy which the
 * policy key authorizes. The machine's state is approved by signing it ({@link TpmApproval}), which
 * needs neither the TPM nor the secret; each slot has a reference of its own, so that an approval
 * for one that was replaced is worthless.
 */
public final class TpmSeals {
  private static final int KEY_BYTES = 32;
  private static final int REFERENCE_BYTES = 16;
  private static final int P256_BITS = 256;

  private TpmSeals() {}

  /**
   * Adds a slot that the TPM opens once a state of it is approved.
   *
   * @param registers that make up the state
   */
  public static Seal add(
      Seal seal,
      SecretBytes root,
      String name,
      String device,
      ECPublicKey policyKey,
      SortedSet<Integer> registers)
      throws SealException, IOException {
    if (policyKey.getParams().getCurve().getField().getFieldSize() != P256_BITS) {
      throw new SealException("the policy key has to be an EC key on the curve P-256");
    }
    if (registers.isEmpty()) {
      throw new SealException("name the registers that make up the machine's state: --pcr 7");
    }
    byte[] reference = RandomBytes.of(REFERENCE_BYTES);
    try (SecretBytes key = SecretBytes.random(KEY_BYTES);
        TpmChannel channel = TpmChannel.open(device);
        TpmSealer sealer = new TpmSealer(channel)) {
      sealer.read(registers); // a TPM without them could never be asked
      Way way =
          new Way.Tpm(
              sealer.seal(key, policyKey, reference),
              policyKey.getEncoded(),
              reference,
              List.copyOf(registers));
      return seal.withKey(root, name, way, key);
    }
  }

  /** What the state of this machine would have to be approved for, not signed. */
  public static TpmApproval request(Slot slot, String device) throws SealException, IOException {
    Way.Tpm way = way(slot);
    try (TpmChannel channel = TpmChannel.open(device);
        TpmSealer sealer = new TpmSealer(channel)) {
      return new TpmApproval(
          slot.name(), way.reference(), sealer.read(new TreeSet<>(way.registers())), new byte[0]);
    }
  }

  /**
   * Checks that an approval is for a slot and signed by its policy key.
   *
   * @throws SealException if not, with what is wrong
   */
  public static void check(Slot slot, TpmApproval approval) throws SealException {
    Way.Tpm way = way(slot);
    if (!java.util.Arrays.equals(way.reference(), approval.reference())) {
      throw new SealException(
          "the approval is for another seal, or one that was replaced; make a new request");
    }
    if (!List.copyOf(approval.registers().keySet()).equals(way.registers())) {
      throw new SealException("the approval names other registers than the seal");
    }
    if (!approval.isSignedBy(policyKey(way))) {
      throw new SealException("the approval is not signed by the policy key of the seal");
    }
  }

  /** The slot that an approval is for. */
  public static Slot slotOf(Seal seal, TpmApproval approval) throws SealException {
    return seal.slots().stream()
        .filter(slot ->
            slot.way() instanceof Way.Tpm way
                && java.util.Arrays.equals(way.reference(), approval.reference()))
        .findFirst()
        .orElseThrow(() ->
            new SealException(
                "the approval is for another seal, or one that was replaced; make a new"
                    + " request"));
  }

  private static Way.Tpm way(Slot slot) throws SealException {
    if (slot.way() instanceof Way.Tpm way) {
      return way;
    }
    throw new SealException("the seal " + slot + " is not opened by a TPM");
  }

  private static ECPublicKey policyKey(Way.Tpm way) throws SealException {
    try {
      return (ECPublicKey)
          KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(way.policyKey()));
    } catch (GeneralSecurityException | ClassCastException e) {
      throw new SealException("the seal is damaged: its policy key is no EC key");
    }
  }

  /**
   * Opens the root key by the TPM of this machine.
   *
   * @param approvals states that were approved; those for other slots do no harm
   * @throws SealException if the TPM does not open it; the message says which registers are not as
   *     approved
   */
  public static Opened open(Seal seal, String device, List<TpmApproval> approvals)
      throws SealException, IOException {
    List<Slot> slots = seal.slots().stream().filter(s -> s.way() instanceof Way.Tpm).toList();
    if (slots.isEmpty()) {
      throw new SealException("the server is not sealed to a TPM");
    }
    try (TpmChannel channel = TpmChannel.open(device);
        TpmSealer sealer = new TpmSealer(channel)) {
      for (Slot slot : slots) {
        Way.Tpm way = way(slot);
        if (sealer.isHome(way.sealed())) {
          return open(seal, slot, way, sealer, approvals);
        }
      }
    }
    throw new SealException(
        "this is not the TPM that the server was sealed to, or it was cleared since");
  }

  private static Opened open(
      Seal seal, Slot slot, Way.Tpm way, TpmSealer sealer, List<TpmApproval> approvals)
      throws SealException, IOException {
    List<TpmApproval> mine =
        approvals.stream()
            .filter(each -> java.util.Arrays.equals(each.reference(), way.reference()))
            .toList();
    if (mine.isEmpty()) {
      throw new SealException("no state of this machine has been approved yet");
    }
    SortedMap<Integer, byte[]> now = sealer.read(new TreeSet<>(way.registers()));
    TpmApproval nearest =
        mine.stream()
            .min(Comparator.comparingInt((TpmApproval each) -> each.changed(now).size()))
            .orElseThrow();
    check(slot, nearest);
    List<Integer> changed = nearest.changed(now);
    if (!changed.isEmpty()) {
      throw new SealException(
          "the machine is not in an approved state: "
              + changed.stream().map(n -> "PCR " + n).collect(Collectors.joining(", "))
              + (changed.size() == 1 ? " has" : " have")
              + " another value than approved");
    }
    try (SecretBytes key = sealer.unseal(way.sealed(), policyKey(way), nearest)) {
      return seal.open(slot, key);
    } catch (TpmException e) {
      throw new SealException("the TPM does not open the server: " + e.getMessage());
    }
  }
}
