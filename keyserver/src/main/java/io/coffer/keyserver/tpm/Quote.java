package io.coffer.keyserver.tpm;

import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.util.SortedMap;
import java.util.TreeSet;

/** What a TPM says about its platform configuration registers of the SHA-256 bank. */
public final class Quote {
  private Quote() {}

  /**
   * Verifies that a TPM has quoted these values, now.
   *
   * @param attest TPMS_ATTEST
   * @param signature TPMT_SIGNATURE
   * @param qualifying what the quote was to contain, so that it is no old one
   * @param values the registers, by their numbers
   * @throws TpmException that says what is wrong
   */
  public static void verify(
      AttestationKey key,
      byte[] attest,
      byte[] signature,
      byte[] qualifying,
      SortedMap<Integer, byte[]> values)
      throws TpmException {
    if (!key.verifies(attest, signature)) {
      throw new TpmException("the quote's signature is not the attestation key's");
    }
    Fields.Reader in = new Fields.Reader(attest);
    in.expect(in.u32(), Tpm.GENERATED, "origin");
    in.expect(in.u16(), Tpm.ST_ATTEST_QUOTE, "kind of attestation");
    in.sized(); // the signer's qualified name
    if (!MessageDigest.isEqual(in.sized(), qualifying)) {
      throw new TpmException("the quote is not for this challenge");
    }
    in.bytes(8 + 4 + 4 + 1); // clock, resets, restarts, safe
    in.bytes(8); // firmware version
    in.expect(in.u32(), 1, "number of banks");
    in.expect(in.u16(), Tpm.ALG_SHA256, "bank");
    byte[] selection = in.bytes(in.u8());
    TreeSet<Integer> selected = new TreeSet<>();
    for (int i = 0; i < 8 * selection.length; i++) {
      if ((selection[i / 8] >> i % 8 & 1) != 0) {
        selected.add(i);
      }
    }
    byte[] digest = in.sized();
    in.end();
    if (!selected.equals(new TreeSet<>(values.keySet()))) {
      throw new TpmException("the quote is of other registers than those shown");
    }
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    values.values().forEach(all::writeBytes);
    if (!MessageDigest.isEqual(digest, AttestationKey.sha256(all.toByteArray()))) {
      throw new TpmException("the registers shown are not those quoted");
    }
  }
}
