package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.box.Attestations;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import io.coffer.keyserver.tpm.AttestationKey;
import io.coffer.keyserver.tpm.Credential;
import io.coffer.keyserver.tpm.Quote;
import io.coffer.keyserver.tpm.SoftwareTpm;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmEndpoint;
import io.coffer.keyserver.tpm.TpmException;
import io.coffer.keyserver.wire.Hpke;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.interfaces.ECPublicKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An endpoint with a software TPM (swtpm); tpm2-tools say whether we speak its language. */
class TpmTest {
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";
  private static final TreeSet<Integer> REGISTERS = new TreeSet<>(List.of(0, 7, 16));

  @TempDir static Path directory;
  private static TestServer server;
  private static SoftwareTpm swtpm;

  @BeforeAll
  static void start() throws Exception {
    Assumptions.assumeTrue(SoftwareTpm.installed("swtpm"), "swtpm is not installed");
    swtpm = SoftwareTpm.start(directory.resolve("tpm"));
    server = new TestServer(directory.resolve("home"));
    server.makeBox("hpc", "project:a");
  }

  @AfterAll
  static void stop() throws Exception {
    if (swtpm != null) {
      swtpm.close();
    }
    if (server != null) {
      server.close();
    }
  }

  private static String where() {
    return swtpm.where();
  }

  /** Runs one of tpm2-tools; returns its exit code. */
  private static int tool(Object... words) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(Arrays.stream(words).map(Object::toString).toList())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("tool.log").toFile());
    builder.environment().put("TPM2TOOLS_TCTI", swtpm.forTools());
    return builder.start().waitFor();
  }

  /** Registers an endpoint with what the TPM is now. */
  private static void register(String name, TpmEndpoint tpm) throws Exception {
    JsonObject values = new JsonObject();
    tpm.read(REGISTERS)
        .forEach((n, v) -> values.put(n.toString(), List.of(HexFormat.of().formatHex(v))));
    JsonObject request =
        new JsonObject()
            .put("attestation", "tpm")
            .put("services", List.of("hpc"))
            .put(
                "tpm",
                new JsonObject().put("ek", tpm.endorsementKey().getEncoded()).put("pcrs", values));
    server.operator().ok("PUT", "/v1/endpoints/" + name, text(request));
  }

  private static String text(JsonObject json) {
    return new String(json.toBytes(), StandardCharsets.UTF_8);
  }

  private static KeyClient client(CertificateAuthority.Issued node, @Nullable String tpm)
      throws Exception {
    JsonObject token = server.as("client:alice").ok("POST", "/v1/tokens", "{}");
    byte[] secret = token.string("token").getBytes(StandardCharsets.US_ASCII);
    try (SecretBytes text = SecretBytes.take(secret)) {
      return KeyClient.open(
          new KeyClient.Settings(
              URI.create("https://127.0.0.1:" + server.port()),
              Pem.readCertificate(server.home.authority()),
              node.certificate(),
              node.key(),
              10,
              tpm),
          text,
          (key, reason) -> {});
    }
  }

  @Test
  void anEndpointOpensKeysAfterItsTpmProvedItselfAndNotInAnotherState() throws Exception {
    byte[] material = RandomBytes.of(32);
    String id =
        server
            .as("client:alice")
            .ok(
                "POST",
                BOX,
                "{\"material\":\"" + Base64.getEncoder().encodeToString(material) + "\"}")
            .string("id");
    KeyClient.Key key = new KeyClient.Key("hpc", "project:a", id, 1);
    var node = server.authority.issue(Identity.parse("endpoint:n1"), Set.of(), Duration.ofDays(1));
    try (TpmChannel channel = TpmChannel.open(where());
        TpmEndpoint tpm = new TpmEndpoint(channel)) {
      register("n1", tpm);
    }
    try (KeyClient without = client(node, null)) {
      KeyServiceException refused =
          assertThrows(KeyServiceException.class, () -> without.key(key).close());
      assertTrue(String.valueOf(refused.getMessage()).contains("has not proved"), "by mTLS alone");
    }
    try (KeyClient with = client(node, where());
        SecretBytes opened = with.key(key)) {
      assertArrayEquals(material, opened.read(byte[]::clone));
    }
    assertTrue(Files.readString(server.home.auditLog()).contains("attested by TPM"));
    swtpm.extend(16);
    try (KeyClient changed = client(node, where())) {
      KeyServiceException refused =
          assertThrows(KeyServiceException.class, () -> changed.key(key).close());
      assertTrue(String.valueOf(refused.getMessage()).contains("PCR 16"), refused.getMessage());
    }
    JsonObject listed =
        server.as("auditor:aud").ok("GET", "/v1/endpoints", null).objects("endpoints").getFirst();
    assertEquals(List.of("16"), listed.object("verdict").strings("changed"));
    assertFalse(listed.object("verdict").bool("trusted", true));
    String log = Files.readString(server.home.auditLog());
    assertTrue(log.contains("not as the policy says: PCR 16"), "logged");
    String page = server.operator().get("/page/endpoints").text();
    assertTrue(page.contains("not trusted") && page.contains("PCR 16 changed"), page);
  }

  @Test
  void aProofThatIsOldReplayedTamperedOrOfAnotherTpmIsRefused() throws Exception {
    Client node = server.as("endpoint:n2");
    byte[] mine = Hpke.encode((ECPublicKey) Hpke.newKeyPair().getPublic());
    byte[] other = Hpke.encode((ECPublicKey) Hpke.newKeyPair().getPublic());
    try (TpmChannel channel = TpmChannel.open(where());
        TpmEndpoint tpm = new TpmEndpoint(channel)) {
      register("n2", tpm);
      String ask = text(new JsonObject().put("ak", tpm.attestationKey()));
      assertEquals(403, server.as("endpoint:n3").post("/v1/attestation/challenge", ask).status());
      assertEquals(403, server.as("client:alice").post("/v1/attestation/challenge", ask).status());
      byte[] decrypting = tpm.attestationKey();
      decrypting[5] |= 2; // the attribute 'decrypt' among bits 16 to 23
      assertEquals(
          400,
          node.post("/v1/attestation/challenge", text(new JsonObject().put("ak", decrypting)))
              .status());

      JsonObject proof = proof(node, tpm, mine);
      assertEquals(200, node.post("/v1/attestation/proof", text(proof)).status());
      refused(node, proof, "no open challenge");
      for (String member : new String[] {"secret", "quote", "signature"}) {
        JsonObject bad = proof(node, tpm, mine);
        byte[] bytes = bad.bytes(member).clone();
        bytes[bytes.length - 1] ^= 1;
        refused(node, bad.put(member, bytes), "");
      }
      refused(node, proof(node, tpm, mine).put("public_key", other), "not for this challenge");
      JsonObject lie = proof(node, tpm, mine);
      refused(
          node,
          lie.put("pcrs", lie.object("pcrs").put("16", "00".repeat(31) + "01")),
          "not those quoted");
      JsonObject stale = proof(node, tpm, mine);
      server.clock.advance(Duration.ofMinutes(3));
      refused(node, stale, "too old");

      // The proof holds for its public key and its time only.
      String grant = "/v1/services/hpc/master-key";
      JsonObject mineOnly =
          new JsonObject().put("public_key", mine).put("nonce", RandomBytes.of(16));
      assertEquals(200, node.post("/v1/attestation/proof", text(proof(node, tpm, mine))).status());
      assertEquals(200, node.post(grant, text(mineOnly)).status());
      JsonObject others =
          new JsonObject().put("public_key", other).put("nonce", RandomBytes.of(16));
      assertEquals(403, node.post(grant, text(others)).status());
      server.clock.advance(Duration.ofHours(1));
      assertEquals(403, node.post(grant, text(mineOnly)).status());
    }
  }

  /** Answers a new challenge. */
  private static JsonObject proof(Client node, TpmEndpoint tpm, byte[] publicKey) throws Exception {
    Answer answer =
        node.post(
            "/v1/attestation/challenge", text(new JsonObject().put("ak", tpm.attestationKey())));
    JsonObject challenge = JsonObject.parse(answer.body(), Set.of("credential", "seed", "nonce"));
    byte[] secret =
        tpm.activate(new Credential(challenge.bytes("credential"), challenge.bytes("seed")));
    TpmEndpoint.Quoted quoted =
        tpm.quote(REGISTERS, Attestations.qualifying(challenge.bytes("nonce"), publicKey));
    JsonObject values = new JsonObject();
    tpm.read(REGISTERS).forEach((n, v) -> values.put(n.toString(), HexFormat.of().formatHex(v)));
    return new JsonObject()
        .put("secret", secret)
        .put("quote", quoted.attest())
        .put("signature", quoted.signature())
        .put("pcrs", values)
        .put("public_key", publicKey);
  }

  private static void refused(Client node, JsonObject proof, String words) throws Exception {
    Answer answer = node.post("/v1/attestation/proof", text(proof));
    assertTrue(answer.status() == 403 || answer.status() == 400, answer.text());
    assertTrue(answer.text().contains(words), answer.text());
  }

  @Test
  void tpm2ToolsVerifyOurQuotesAndWeVerifyTheirs() throws Exception {
    Assumptions.assumeTrue(
        SoftwareTpm.installed("tpm2_checkquote"), "tpm2-tools are not installed");
    byte[] nonce = RandomBytes.of(32);
    String hex = HexFormat.of().formatHex(nonce);
    Path attest = directory.resolve("attest");
    Path signature = directory.resolve("signature");
    Path ak = directory.resolve("ak.pem");
    SortedMap<Integer, byte[]> values;
    try (TpmChannel channel = TpmChannel.open(where());
        TpmEndpoint tpm = new TpmEndpoint(channel)) {
      TpmEndpoint.Quoted quoted = tpm.quote(REGISTERS, nonce);
      values = tpm.read(REGISTERS);
      AttestationKey key = AttestationKey.parse(tpm.attestationKey());
      Quote.verify(key, quoted.attest(), quoted.signature(), nonce, values);
      Files.write(attest, quoted.attest());
      Files.write(signature, quoted.signature());
      Files.write(ak, Pem.encode("PUBLIC KEY", key.key().getEncoded()));
    }
    assertEquals(
        0,
        tool(
            "tpm2_checkquote", "-u", ak, "-m", attest, "-s", signature, "-g", "sha256", "-q", hex));
    assertFalse(
        0
            == tool(
                "tpm2_checkquote",
                "-u",
                ak,
                "-m",
                attest,
                "-s",
                signature,
                "-g",
                "sha256",
                "-q",
                "00" + hex.substring(2)));

    Path d = Files.createDirectory(directory.resolve("tools"));
    assertEquals(
        0,
        tool("tpm2_createek", "-c", d.resolve("ek.ctx"), "-G", "rsa", "-u", d.resolve("ek.pub")));
    tool("tpm2_flushcontext", "-t");
    assertEquals(
        0,
        tool(
            "tpm2_createak",
            "-C",
            d.resolve("ek.ctx"),
            "-c",
            d.resolve("ak.ctx"),
            "-G",
            "ecc",
            "-g",
            "sha256",
            "-s",
            "ecdsa",
            "-u",
            d.resolve("ak.pub")));
    tool("tpm2_flushcontext", "-t");
    assertEquals(
        0,
        tool(
            "tpm2_quote",
            "-c",
            d.resolve("ak.ctx"),
            "-l",
            "sha256:0,7,16",
            "-q",
            hex,
            "-m",
            d.resolve("m"),
            "-s",
            d.resolve("s"),
            "-g",
            "sha256"));
    tool("tpm2_flushcontext", "-t");
    byte[] area = Files.readAllBytes(d.resolve("ak.pub"));
    AttestationKey theirs = AttestationKey.parse(Arrays.copyOfRange(area, 2, area.length));
    byte[] quote = Files.readAllBytes(d.resolve("m"));
    byte[] signed = Files.readAllBytes(d.resolve("s"));
    Quote.verify(theirs, quote, signed, nonce, values);
    for (int i = 0; i < quote.length; i++) {
      byte[] bad = quote.clone();
      bad[i] ^= 1;
      assertThrows(
          TpmException.class, () -> Quote.verify(theirs, bad, signed, nonce, values), "byte " + i);
    }
    for (int i = 0; i < signed.length; i++) {
      byte[] cut = Arrays.copyOf(signed, i);
      assertThrows(TpmException.class, () -> Quote.verify(theirs, quote, cut, nonce, values));
    }
  }
}
