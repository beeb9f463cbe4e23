package io.coffer.keyserver.tpm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sealing to software TPMs; tpm2-tools compute the same policies. */
class TpmSealerTest {
  private static final TreeSet<Integer> REGISTERS = new TreeSet<>(List.of(0, 7, 16));

  @TempDir static Path directory;
  private static SoftwareTpm tpm;
  private static KeyPair policyKey;

  @BeforeAll
  static void start() throws Exception {
    Assumptions.assumeTrue(SoftwareTpm.installed("swtpm"), "swtpm is not installed");
    tpm = SoftwareTpm.start(directory.resolve("tpm"));
    policyKey = newKey();
  }

  @AfterAll
  static void stop() throws Exception {
    if (tpm != null) {
      tpm.close();
    }
  }

  private static KeyPair newKey() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static ECPublicKey publicKey() {
    return (ECPublicKey) policyKey.getPublic();
  }

  private static TpmApproval approve(
      SortedMap<Integer, byte[]> state, byte[] reference, KeyPair key) throws TpmException {
    return new TpmApproval("tpm", reference, state, new byte[0]).sign(key.getPrivate());
  }

  @Test
  void aSecretOpensInApprovedStatesOnlyAndANewStateIsApprovedBySigningIt() throws Exception {
    byte[] reference = RandomBytes.of(16);
    byte[] secret = RandomBytes.of(32);
    TpmSealer.Sealed sealed;
    TpmApproval old;
    try (TpmChannel channel = TpmChannel.open(tpm.where());
        TpmSealer sealer = new TpmSealer(channel);
        SecretBytes bytes = SecretBytes.copyOf(secret)) {
      sealed = sealer.seal(bytes, publicKey(), reference);
      old = approve(sealer.read(REGISTERS), reference, policyKey);
    }
    assertArrayEquals(secret, opened(sealed, old));
    tpm.extend(16);
    TpmException changed = assertThrows(TpmException.class, () -> opened(sealed, old));
    assertTrue(String.valueOf(changed.getMessage()).contains("not in the approved state"));
    TpmApproval next = approve(read(), reference, policyKey);
    assertEquals(List.of(16), old.changed(next.registers()));
    assertArrayEquals(secret, opened(sealed, next));
    tpm.reboot();
    assertArrayEquals(secret, opened(sealed, old), "the old state is still approved");
    assertThrows(TpmException.class, () -> opened(sealed, next));
  }

  private static SortedMap<Integer, byte[]> read() throws IOException {
    try (TpmChannel channel = TpmChannel.open(tpm.where());
        TpmSealer sealer = new TpmSealer(channel)) {
      return sealer.read(REGISTERS);
    }
  }

  private static byte[] opened(TpmSealer.Sealed sealed, TpmApproval approval) throws IOException {
    try (TpmChannel channel = TpmChannel.open(tpm.where());
        TpmSealer sealer = new TpmSealer(channel);
        SecretBytes secret = sealer.unseal(sealed, publicKey(), approval)) {
      return secret.read(byte[]::clone);
    }
  }

  @Test
  void whatWasTamperedWithOrIsForAnotherSealOrTpmIsRefusedByTheTpmItself() throws Exception {
    byte[] reference = RandomBytes.of(16);
    SortedMap<Integer, byte[]> state = read();
    TpmApproval good = approve(state, reference, policyKey);
    TpmSealer.Sealed sealed;
    try (TpmChannel channel = TpmChannel.open(tpm.where());
        TpmSealer sealer = new TpmSealer(channel);
        SecretBytes secret = SecretBytes.random(32)) {
      sealed = sealer.seal(secret, publicKey(), reference);
    }
    assertEquals(32, opened(sealed, good).length);

    TpmApproval unsigned = new TpmApproval("tpm", reference, state, new byte[64]);
    TpmApproval byAnother = approve(state, reference, newKey());
    byte[] bent = good.signature().clone();
    bent[40] ^= 1;
    for (TpmApproval forged :
        List.of(unsigned, byAnother, new TpmApproval("tpm", reference, good.registers(), bent))) {
      TpmException e = assertThrows(TpmException.class, () -> opened(sealed, forged));
      assertFalse(forged.isSignedBy(publicKey()));
      assertTrue(
          String.valueOf(e.getMessage()).contains("not signed by the policy key"), e::toString);
    }
    TpmApproval elsewhere = approve(state, RandomBytes.of(16), policyKey);
    assertThrows(TpmException.class, () -> opened(sealed, elsewhere), "another seal's approval");

    for (int i = 0; i < sealed.privateArea().length; i += 7) {
      byte[] changed = sealed.privateArea().clone();
      changed[i] ^= 0x10;
      TpmSealer.Sealed bad =
          new TpmSealer.Sealed(sealed.storageKey(), sealed.publicArea(), changed);
      assertThrows(TpmException.class, () -> opened(bad, good), "byte " + i);
    }
    byte[] openToAll = sealed.publicArea().clone();
    openToAll[7] |= 0x40; // userWithAuth: its empty password would do
    TpmSealer.Sealed weaker =
        new TpmSealer.Sealed(sealed.storageKey(), openToAll, sealed.privateArea());
    assertThrows(TpmException.class, () -> opened(weaker, good));

    try (SoftwareTpm other = SoftwareTpm.start(directory.resolve("other"));
        TpmChannel channel = TpmChannel.open(other.where());
        TpmSealer sealer = new TpmSealer(channel)) {
      TpmException e =
          assertThrows(TpmException.class, () -> sealer.unseal(sealed, publicKey(), good));
      assertTrue(String.valueOf(e.getMessage()).contains("not the TPM"), e::toString);
      // And if the check before it were not: its storage key does not open what another sealed.
      byte[] own = ownStorageKey(sealer);
      TpmSealer.Sealed moved = new TpmSealer.Sealed(own, sealed.publicArea(), sealed.privateArea());
      assertTrue(sealer.isHome(moved));
      assertThrows(TpmException.class, () -> sealer.unseal(moved, publicKey(), good));
    }
  }

  private static byte[] ownStorageKey(TpmSealer sealer) throws IOException {
    try (SecretBytes any = SecretBytes.random(1)) {
      return sealer.seal(any, publicKey(), new byte[16]).storageKey();
    }
  }

  @Test
  void noSecretCrossesTheWayToTheTpmInClearAndAChangeOnItIsNoticed() throws Exception {
    byte[] reference = RandomBytes.of(16);
    byte[] secret = RandomBytes.of(32);
    TpmApproval approval = approve(read(), reference, policyKey);
    ByteArrayOutputStream wire = new ByteArrayOutputStream();
    try (TpmChannel channel = TpmChannel.open(tpm.where())) {
      TpmChannel tapped = tap(channel, wire, false);
      try (TpmSealer sealer = new TpmSealer(tapped);
          SecretBytes bytes = SecretBytes.copyOf(secret)) {
        TpmSealer.Sealed sealed = sealer.seal(bytes, publicKey(), reference);
        try (SecretBytes back = sealer.unseal(sealed, publicKey(), approval)) {
          assertTrue(back.matches(bytes));
        }
        HexFormat hex = HexFormat.of();
        assertFalse(
            hex.formatHex(wire.toByteArray()).contains(hex.formatHex(secret)), "seen on the way");
        assertTrue(
            hex.formatHex(wire.toByteArray()).contains(hex.formatHex(reference)),
            "the tap does see what crosses in clear");
        try (TpmSealer between = new TpmSealer(tap(channel, wire, true))) {
          TpmException e =
              assertThrows(
                  TpmException.class, () -> between.unseal(sealed, publicKey(), approval).close());
          assertTrue(String.valueOf(e.getMessage()).contains("something is between"), e::toString);
        }
      }
    }
  }

  /**
   * Writes down what crosses.
   *
   * @param meddle change a bit of the secret that TPM2_Unseal answers?
   */
  private static TpmChannel tap(TpmChannel channel, ByteArrayOutputStream wire, boolean meddle) {
    return new TpmChannel() {
      @Override
      public byte[] transmit(byte[] command) throws IOException {
        wire.writeBytes(command);
        byte[] response = channel.transmit(command);
        wire.writeBytes(response);
        if (meddle && Arrays.equals(command, 6, 10, new byte[] {0, 0, 1, 0x5e}, 0, 4)) {
          response[10 + 4 + 2 + 3] ^= 1;
        }
        return response;
      }

      @Override
      public void close() {}
    };
  }

  @Test
  void tpm2ToolsComputeTheSamePoliciesAndKnowThePolicyKeyByTheSameName() throws Exception {
    Assumptions.assumeTrue(SoftwareTpm.installed("tpm2_policyauthorize"), "no tpm2-tools");
    byte[] reference = RandomBytes.of(16);
    Path d = Files.createDirectory(directory.resolve("tools"));
    Files.write(d.resolve("reference"), reference);
    Files.write(d.resolve("policy.pem"), Pem.encode("PUBLIC KEY", publicKey().getEncoded()));
    SortedMap<Integer, byte[]> state = read();
    TpmApproval approval = approve(state, reference, policyKey);

    tool(d, "tpm2_startauthsession -S s.ctx");
    tool(d, "tpm2_policypcr -S s.ctx -l sha256:0,7,16 -L pcr.policy");
    tool(d, "tpm2_flushcontext s.ctx");
    assertArrayEquals(
        Files.readAllBytes(d.resolve("pcr.policy")), TpmPolicy.registers(state), "policypcr");

    tool(d, "tpm2_loadexternal -C o -G ecc -u policy.pem -c key.ctx -n key.name");
    assertArrayEquals(
        Files.readAllBytes(d.resolve("key.name")),
        AttestationKey.name(TpmPolicy.publicArea(publicKey())),
        "the name of the policy key");
    // tpm2_verifysignature takes the approval's signature for the policy and the reference.
    Files.write(d.resolve("message"), TpmPolicy.approvable(TpmPolicy.registers(state), reference));
    byte[] signature = approval.signature();
    Files.write(
        d.resolve("signature"),
        new Fields.Writer()
            .u16(Tpm.ALG_ECDSA)
            .u16(Tpm.ALG_SHA256)
            .sized(Arrays.copyOf(signature, 32))
            .sized(Arrays.copyOfRange(signature, 32, 64))
            .toBytes());
    tool(d, "tpm2_verifysignature -c key.ctx -g sha256 -m message -s signature -t ticket");
    tool(d, "tpm2_flushcontext -t");
    tool(d, "tpm2_startauthsession --policy-session -S s.ctx");
    tool(d, "tpm2_policypcr -S s.ctx -l sha256:0,7,16");
    tool(
        d,
        "tpm2_policyauthorize -S s.ctx -i pcr.policy -q reference -n key.name -t ticket"
            + " -L authorized.policy");
    tool(d, "tpm2_flushcontext s.ctx");
    assertArrayEquals(
        Files.readAllBytes(d.resolve("authorized.policy")),
        TpmPolicy.authorized(publicKey(), reference),
        "policyauthorize");
  }

  private static void tool(Path where, String words) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(words.split(" ", -1))
            .directory(where.toFile())
            .redirectErrorStream(true);
    builder.environment().put("TPM2TOOLS_TCTI", tpm.forTools());
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), words + ": " + said);
  }

  @Test
  void anApprovalIsReadAsItWasWrittenAndNothingElseIs() throws Exception {
    TpmApproval approval = approve(read(), RandomBytes.of(16), policyKey);
    byte[] json = approval.toJson().toBytes();
    assertEquals(approval, TpmApproval.parse(JsonObject.parse(json, TpmApproval.BINARY)));
    String text = new String(json, StandardCharsets.UTF_8);
    for (String[] change :
        new String[][] {
          {"state 1", "state 2"}, {"\"7\"", "\"24\""}, {"\"7\"", "\"x\""}, {"\"pcrs\"", "\"pcr\""}
        }) {
      byte[] bad = text.replace(change[0], change[1]).getBytes(StandardCharsets.UTF_8);
      assertThrows(
          JsonException.class,
          () -> TpmApproval.parse(JsonObject.parse(bad, TpmApproval.BINARY)),
          change[1]);
    }
  }
}
