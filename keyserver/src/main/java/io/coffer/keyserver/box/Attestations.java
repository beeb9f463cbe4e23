package io.coffer.keyserver.box;

import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.tpm.AttestationKey;
import io.coffer.keyserver.tpm.Credential;
import io.coffer.keyserver.tpm.Quote;
import io.coffer.keyserver.tpm.TpmException;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Attestation of endpoints by their TPMs. An operator registers an endpoint with its endorsement
 * key and a policy: for some registers of the SHA-256 bank, the values that are allowed. The
 * endpoint then proves, in two steps, that it holds that very TPM (it opens a credential made for
 * the endorsement key and a restricted attestation key) and in which state it booted (a quote over
 * the challenge's nonce and the public key that master keys will be sealed to). What it proved
 * holds for an hour, for that public key, until the server is sealed. Thread-safe.
 */
public final class Attestations {
  /** How long a proof holds. */
  static final Duration HOLDS = Duration.ofHours(1);

  private static final Duration ANSWER_WITHIN = Duration.ofMinutes(2);
  private static final int REGISTERS = 24;
  private static final int DIGEST_BYTES = 32;
  private static final int MAX_VALUES = 64;
  private static final int MAX_OPEN = 10_000;
  private static final int MIN_RSA_BITS = 2048;

  private record Challenge(AttestationKey key, byte[] secret, byte[] nonce, Instant until) {}

  private record Proved(byte[] publicKey, Instant until) {}

  private final Records records;
  private final Clock clock;
  private final Map<String, Challenge> challenges = new HashMap<>();
  private final Map<String, Proved> proved = new HashMap<>();

  Attestations(Records records, Clock clock) {
    this.records = records;
    this.clock = clock;
  }

  /** Checks the {@code tpm} member of a registration: {@code {"ek":base64,"pcrs":{...}}}. */
  static JsonObject policy(JsonObject tpm) throws ProblemException, JsonException {
    tpm.allow("ek", "pcrs");
    endorsementKey(tpm);
    JsonObject registers = tpm.object("pcrs");
    for (String register : registers.names()) {
      List<String> values = registers.strings(register);
      if (!register.matches("[0-9]|1[0-9]|2[0-3]")
          || values.isEmpty()
          || values.size() > MAX_VALUES
          || !values.stream().allMatch(value -> value.matches("[0-9a-f]{64}"))) {
        throw ProblemException.badRequest(
            "a register or a value of it is malformed",
            "Write \"0\" to \"23\", each with a list of allowed values of 64 hexadecimal digits.");
      }
    }
    if (registers.names().isEmpty()) {
      throw ProblemException.badRequest(
          "a policy without registers would allow any state",
          "Name at least one register; 'coffer keyserver tpm' shows what a machine has.");
    }
    return tpm;
  }

  private static RSAPublicKey endorsementKey(JsonObject tpm)
      throws ProblemException, JsonException {
    try {
      byte[] encoded = Base64.getDecoder().decode(tpm.string("ek"));
      RSAPublicKey key =
          (RSAPublicKey)
              KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(encoded));
      if (key.getModulus().bitLength() == MIN_RSA_BITS) {
        return key;
      }
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      // Said below.
    }
    throw ProblemException.badRequest(
        "the endorsement key is no RSA key of " + MIN_RSA_BITS + " bits",
        "Send its SubjectPublicKeyInfo as base64; 'coffer keyserver tpm' prints it.");
  }

  private JsonObject registered(Identity caller) throws ProblemException, EngineException {
    Records.Loaded endpoint =
        caller.profile() == Profile.ENDPOINT ? records.find("endpoint/" + caller.name()) : null;
    try {
      if (endpoint != null && endpoint.json().string("attestation").equals("tpm")) {
        return endpoint.json().object("tpm");
      }
    } catch (JsonException e) {
      throw new IntegrityException("the record of the endpoint " + caller.name() + " is malformed");
    }
    throw ProblemException.forbidden(
        "only an endpoint that is registered with a TPM attests",
        "Have an operator register it with \"attestation\":\"tpm\".");
  }

  /** The first step: a credential for the registered endorsement key and this attestation key. */
  public JsonObject challenge(Identity caller, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("ak");
    JsonObject tpm = registered(caller);
    byte[] secret = RandomBytes.of(DIGEST_BYTES);
    byte[] nonce = RandomBytes.of(DIGEST_BYTES);
    try {
      AttestationKey key = AttestationKey.parse(request.bytes("ak"));
      Credential credential = Credential.make(endorsementKey(tpm), key.name(), secret);
      Instant until = clock.instant().plus(ANSWER_WITHIN);
      synchronized (this) {
        if (challenges.size() >= MAX_OPEN) {
          challenges.clear();
        }
        challenges.put(caller.name(), new Challenge(key, secret, nonce, until));
      }
      return new JsonObject()
          .put("credential", credential.blob())
          .put("seed", credential.encryptedSeed())
          .put("nonce", nonce)
          .put("pcrs", List.copyOf(tpm.object("pcrs").names()));
    } catch (TpmException e) {
      throw ProblemException.badRequest(
          String.valueOf(e.getMessage()), "Send the public area of a fresh attestation key.");
    }
  }

  /** What a quote has to contain: SHA-256(nonce || public key). */
  public static byte[] qualifying(byte[] nonce, byte[] publicKey) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(nonce);
      return digest.digest(publicKey);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /**
   * The second step; each challenge is answered once, rightly or wrongly. The verdict is kept with
   * the endpoint, for operators and auditors.
   *
   * @throws ProblemException 403 that says why, and which registers are not as they should be
   */
  public JsonObject prove(Identity caller, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("secret", "quote", "signature", "pcrs", "public_key");
    JsonObject policy = registered(caller).object("pcrs");
    Challenge challenge;
    synchronized (this) {
      challenge = challenges.remove(caller.name());
    }
    List<String> changed = new ArrayList<>();
    String reason = null;
    // Copied, since the request is wiped when it has been answered.
    byte[] publicKey = request.bytes("public_key").clone();
    if (challenge == null || !clock.instant().isBefore(challenge.until())) {
      reason = "there is no open challenge: it was answered, or is too old";
    } else if (!MessageDigest.isEqual(challenge.secret(), request.bytes("secret"))) {
      reason = "the credential was not opened: it is another TPM than the one registered";
    } else {
      try {
        SortedMap<Integer, byte[]> values = values(request.object("pcrs"));
        Quote.verify(
            challenge.key(),
            request.bytes("quote"),
            request.bytes("signature"),
            qualifying(challenge.nonce(), publicKey),
            values);
        for (String register : policy.names()) {
          byte[] value = values.get(Integer.parseInt(register));
          if (value == null
              || !policy.strings(register).contains(HexFormat.of().formatHex(value))) {
            changed.add(register);
          }
        }
        if (!changed.isEmpty()) {
          reason = "not as the policy says: PCR " + String.join(", ", changed);
        }
      } catch (TpmException e) {
        reason = String.valueOf(e.getMessage());
      }
    }
    keepVerdict(caller, reason, changed);
    if (reason != null) {
      synchronized (this) {
        proved.remove(caller.name());
      }
      throw ProblemException.forbidden(
          "the endpoint is not trusted: " + reason,
          "If the change was intended, an operator registers the new values: PUT /v1/endpoints.");
    }
    synchronized (this) {
      proved.put(caller.name(), new Proved(publicKey, clock.instant().plus(HOLDS)));
    }
    return new JsonObject().put("trusted", true).put("seconds", HOLDS.toSeconds());
  }

  private static SortedMap<Integer, byte[]> values(JsonObject json)
      throws TpmException, JsonException {
    SortedMap<Integer, byte[]> values = new TreeMap<>();
    for (String register : json.names()) {
      String value = json.string(register);
      if (!register.matches("[0-9]{1,2}")
          || Integer.parseInt(register) >= REGISTERS
          || !value.matches("[0-9a-f]{64}")) {
        throw new TpmException("a register is malformed");
      }
      values.put(Integer.parseInt(register), HexFormat.of().parseHex(value));
    }
    return values;
  }

  private void keepVerdict(Identity caller, @Nullable String reason, List<String> changed)
      throws ProblemException, EngineException {
    String id = "verdict/" + caller.name();
    JsonObject verdict =
        new JsonObject()
            .put("trusted", reason == null)
            .put("changed", changed)
            .put("reason", reason)
            .put(
                "time",
                clock.instant().truncatedTo(java.time.temporal.ChronoUnit.SECONDS).toString());
    Records.Loaded old = records.find(id);
    records.commit(
        old == null
            ? Records.create(id, verdict)
            : Records.update(new Records.Loaded(id, old.version(), verdict)));
  }

  /** The last verdict on an endpoint, or null. */
  @Nullable JsonObject verdict(String name) throws EngineException {
    Records.Loaded verdict = records.find("verdict/" + name);
    return verdict == null ? null : verdict.json();
  }

  /** What an endpoint proved is void: its registration has changed. */
  synchronized void forget(String name) {
    challenges.remove(name);
    proved.remove(name);
  }

  /** What any endpoint proved is void. */
  synchronized void forgetAll() {
    challenges.clear();
    proved.clear();
  }

  /** Has the endpoint proved itself, together with this public key? */
  void require(String name, byte[] publicKey) throws ProblemException {
    Proved proof;
    synchronized (this) {
      proof = proved.get(name);
    }
    if (proof == null
        || !clock.instant().isBefore(proof.until())
        || !Arrays.equals(proof.publicKey(), publicKey)) {
      throw ProblemException.forbidden(
          "the endpoint has not proved itself by its TPM, or not in the last hour",
          "Our clients do so if the file for --key-service has \"tpm\":\"/dev/tpmrm0\"; others POST"
              + " /v1/attestation/challenge, then /v1/attestation/proof.");
    }
  }
}
