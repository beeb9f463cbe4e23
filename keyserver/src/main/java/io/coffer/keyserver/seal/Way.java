package io.coffer.keyserver.seal;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.tpm.TpmSealer;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** How a slot of the {@link Seal} is opened: what is stored of it beside the wrapped root key. */
public sealed interface Way {
  int MIN_LOG_N = 10;
  int MAX_LOG_N = 20; // 1 GiB; a forged seal must not exhaust memory

  /** Members of the JSON forms that are bytes. */
  Set<String> BINARY =
      Set.of(
          "salt",
          "storage_key",
          "sealed_public",
          "sealed_private",
          "policy_key",
          "reference",
          "iv",
          "wrapped_key");

  /** passphrase, quorum, tpm or pkcs11. */
  String kind();

  /** In words, for people. */
  String description();

  /** All that belongs to it, as the wrapping of the root key authenticates it. */
  String parameters();

  /** Writes its members. */
  void write(JsonObject json);

  /** Can it open the server with nobody there? */
  default boolean isHardware() {
    return this instanceof Tpm || this instanceof Token;
  }

  /** Reads what {@link #write} wrote. */
  static Way read(JsonObject json) throws JsonException {
    return switch (json.string("kind")) {
      case "passphrase" ->
          new Passphrase((int) json.integer("log_n", MIN_LOG_N, MAX_LOG_N), json.bytes("salt"));
      case "quorum" ->
          new Quorum(
              json.string("set"),
              (int) json.integer("threshold", 1, Shamir.MAX_SHARES),
              (int) json.integer("shares", 1, Shamir.MAX_SHARES));
      case "tpm" ->
          new Tpm(
              new TpmSealer.Sealed(
                  json.bytes("storage_key"),
                  json.bytes("sealed_public"),
                  json.bytes("sealed_private")),
              json.bytes("policy_key"),
              json.bytes("reference"),
              registers(json.strings("registers")));
      case "pkcs11" ->
          new Token(
              json.string("token"),
              json.string("key"),
              json.string("mechanism"),
              json.bytes("iv"),
              json.bytes("wrapped_key"));
      default -> throw new JsonException("unknown kind of slot");
    };
  }

  private static List<Integer> registers(List<String> names) throws JsonException {
    if (names.isEmpty() || !names.stream().allMatch(n -> n.matches("[0-9]|1[0-9]|2[0-3]"))) {
      throw new JsonException("'registers' are numbers from 0 to 23");
    }
    return names.stream().map(Integer::valueOf).sorted().toList();
  }

  /** A passphrase, stretched by scrypt. */
  record Passphrase(int logN, byte[] salt) implements Way {
    @Override
    public String kind() {
      return "passphrase";
    }

    @Override
    public String description() {
      return "a passphrase";
    }

    @Override
    public String parameters() {
      return logN + "/" + HexFormat.of().formatHex(salt);
    }

    @Override
    public void write(JsonObject json) {
      json.put("log_n", logN).put("salt", salt);
    }
  }

  /** Any {@code threshold} of {@code shares} operators. */
  record Quorum(String set, int threshold, int shares) implements Way {
    @Override
    public String kind() {
      return "quorum";
    }

    @Override
    public String description() {
      return "any " + threshold + " of " + shares + " shares";
    }

    @Override
    public String parameters() {
      return set + "/" + threshold + "/" + shares;
    }

    @Override
    public void write(JsonObject json) {
      json.put("set", set).put("threshold", threshold).put("shares", shares);
    }
  }

  /**
   * A TPM, in a state that the policy key has approved.
   *
   * @param sealed the slot key
   * @param policyKey SubjectPublicKeyInfo, EC P-256
   * @param reference by which approvals belong to this slot
   * @param registers that make up the state
   */
  record Tpm(TpmSealer.Sealed sealed, byte[] policyKey, byte[] reference, List<Integer> registers)
      implements Way {
    @Override
    public String kind() {
      return "tpm";
    }

    @Override
    public String description() {
      return "a TPM, by approved values of PCR " + numbers().replace(",", ", ");
    }

    private String numbers() {
      return registers.stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    @Override
    public String parameters() {
      HexFormat hex = HexFormat.of();
      return String.join(
          "/",
          hex.formatHex(sealed.storageKey()),
          hex.formatHex(sealed.publicArea()),
          hex.formatHex(sealed.privateArea()),
          hex.formatHex(policyKey),
          hex.formatHex(reference),
          numbers());
    }

    @Override
    public void write(JsonObject json) {
      json.put("storage_key", sealed.storageKey())
          .put("sealed_public", sealed.publicArea())
          .put("sealed_private", sealed.privateArea())
          .put("policy_key", policyKey)
          .put("reference", reference)
          .put("registers", registers.stream().map(String::valueOf).toList());
    }
  }

  /**
   * A PKCS#11 token, which keeps an AES key that wraps the slot key.
   *
   * @param token its label
   * @param key the key's label
   * @param mechanism aes-gcm or aes-cbc
   * @param wrappedKey the slot key
   */
  record Token(String token, String key, String mechanism, byte[] iv, byte[] wrappedKey)
      implements Way {
    @Override
    public String kind() {
      return "pkcs11";
    }

    @Override
    public String description() {
      return "the key '" + key + "' of the token '" + token + "' (" + mechanism + ")";
    }

    @Override
    public String parameters() {
      HexFormat hex = HexFormat.of();
      // Labels are free text: in hexadecimal, none of them looks like two.
      return String.join(
          "/",
          hex.formatHex(token.getBytes(java.nio.charset.StandardCharsets.UTF_8)),
          hex.formatHex(key.getBytes(java.nio.charset.StandardCharsets.UTF_8)),
          mechanism,
          hex.formatHex(iv),
          hex.formatHex(wrappedKey));
    }

    @Override
    public void write(JsonObject json) {
      json.put("token", token)
          .put("key", key)
          .put("mechanism", mechanism)
          .put("iv", iv)
          .put("wrapped_key", wrappedKey);
    }
  }
}
