package io.coffer.keyserver.tpm;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A state of a machine, that is values of registers of its TPM, that may open a seal; signed by the
 * policy key (ECDSA P-256 with SHA-256 over {@link TpmPolicy#approvable}) or still to be signed. As
 * JSON:
 *
 * <pre>
 * {"format": "coffer tpm state 1", "seal": NAME, "reference": base64,
 *  "pcrs": {"7": hexadecimal, ...}, "signature": base64}
 * </pre>
 *
 * @param seal the name of the seal, for people
 * @param reference of the seal, which ties the approval to it and to no other
 * @param registers values in the SHA-256 bank
 * @param signature r || s, 64 bytes; empty for a request
 */
public record TpmApproval(
    String seal, byte[] reference, SortedMap<Integer, byte[]> registers, byte[] signature) {
  /** Members of the JSON form that are bytes. */
  public static final Set<String> BINARY = Set.of("reference", "signature");

  private static final String FORMAT = "coffer tpm state 1";
  private static final String ALGORITHM = "SHA256withECDSAinP1363Format";
  private static final int SIGNATURE_BYTES = 64;
  private static final int VALUE_BYTES = 32;

  /** Reads the JSON form. */
  public static TpmApproval parse(JsonObject json) throws JsonException {
    json.allow("format", "seal", "reference", "pcrs", "signature");
    if (!json.string("format").equals(FORMAT)) {
      throw new JsonException("'format' is not '" + FORMAT + "'");
    }
    SortedMap<Integer, byte[]> registers = new TreeMap<>();
    JsonObject values = json.object("pcrs");
    for (String name : values.names()) {
      if (!name.matches("[0-9]|1[0-9]|2[0-3]")) {
        throw new JsonException("'pcrs': a TPM has the registers 0 to 23");
      }
      String value = values.string(name);
      if (!value.matches("[0-9a-f]{64}")) {
        throw new JsonException("'pcrs': a value has 64 hexadecimal digits, in lower case");
      }
      registers.put(Integer.parseInt(name), HexFormat.of().parseHex(value));
    }
    if (registers.isEmpty()) {
      throw new JsonException("'pcrs' is empty");
    }
    byte[] signature = json.has("signature") ? json.bytes("signature") : new byte[0];
    if (signature.length != 0 && signature.length != SIGNATURE_BYTES) {
      throw new JsonException("'signature' has a wrong length");
    }
    return new TpmApproval(json.string("seal"), json.bytes("reference"), registers, signature);
  }

  /** The JSON form. */
  public JsonObject toJson() {
    JsonObject values = new JsonObject();
    registers.forEach((n, value) -> values.put(n.toString(), HexFormat.of().formatHex(value)));
    JsonObject json =
        new JsonObject()
            .put("format", FORMAT)
            .put("seal", seal)
            .put("reference", reference)
            .put("pcrs", values);
    return signature.length == 0 ? json : json.put("signature", signature);
  }

  private byte[] signed() {
    return TpmPolicy.approvable(TpmPolicy.registers(registers), reference);
  }

  /** The same, signed. */
  public TpmApproval sign(PrivateKey key) throws TpmException {
    for (byte[] value : registers.values()) {
      if (value.length != VALUE_BYTES) {
        throw new IllegalArgumentException("a register of " + value.length + " bytes");
      }
    }
    try {
      Signature signer = Signature.getInstance(ALGORITHM);
      signer.initSign(key);
      signer.update(signed());
      return new TpmApproval(seal, reference, registers, signer.sign());
    } catch (GeneralSecurityException e) {
      throw new TpmException("the policy key cannot sign; it has to be EC P-256", e);
    }
  }

  /** Is it signed by this key? */
  public boolean isSignedBy(ECPublicKey key) {
    try {
      Signature verifier = Signature.getInstance(ALGORITHM);
      verifier.initVerify(key);
      verifier.update(signed());
      return verifier.verify(signature);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  /** The registers whose values are not as approved. */
  public List<Integer> changed(SortedMap<Integer, byte[]> now) {
    List<Integer> changed = new ArrayList<>();
    registers.forEach((number, value) -> {
      byte[] current = now.get(number);
      if (current == null || !MessageDigest.isEqual(current, value)) {
        changed.add(number);
      }
    });
    return changed;
  }

  /** Is it an approval of the same state for the same seal, whoever signed it? */
  public boolean isSameState(TpmApproval other) {
    return Arrays.equals(reference, other.reference)
        && registers.keySet().equals(other.registers.keySet())
        && changed(other.registers).isEmpty();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TpmApproval that
        && Arrays.equals(toJson().toBytes(), that.toJson().toBytes());
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(toJson().toBytes());
  }
}
