package io.coffer.format.gocryptfs;

import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * Writes a configuration exactly as Go's {@code json.MarshalIndent} with tabs does, so that a file
 * rewritten by either program differs only in what changed. Base64 is the standard alphabet,
 * padded.
 */
final class ConfigWriter {
  private ConfigWriter() {}

  static String write(GocryptfsConfig config) {
    ScryptParameters scrypt = config.scrypt();
    List<String> members = new ArrayList<>();
    members.add("\t\"Creator\": " + quote(config.creator()));
    members.add("\t\"EncryptedKey\": " + base64(config.encryptedKey()));
    members.add(
        "\t\"ScryptObject\": {\n"
            + ("\t\t\"Salt\": " + base64(scrypt.salt()) + ",\n")
            + ("\t\t\"N\": " + scrypt.n() + ",\n")
            + ("\t\t\"R\": " + scrypt.r() + ",\n")
            + ("\t\t\"P\": " + scrypt.p() + ",\n")
            + ("\t\t\"KeyLen\": " + scrypt.keyBytes() + "\n")
            + "\t}");
    members.add("\t\"Version\": " + GocryptfsConfig.VERSION);
    members.add(
        "\t\"FeatureFlags\": "
            + array(config.flags().stream().map(flag -> quote(flag.word())).toList(), "\t"));
    GocryptfsConfig.Fido2 fido2 = config.fido2();
    if (fido2 != null) {
      members.add(
          "\t\"FIDO2\": {\n"
              + ("\t\t\"CredentialID\": " + base64(fido2.credentialId()) + ",\n")
              + ("\t\t\"HMACSalt\": " + base64(fido2.hmacSalt()) + ",\n")
              + "\t\t\"AssertOptions\": "
              + array(fido2.assertOptions().stream().map(ConfigWriter::quote).toList(), "\t\t")
              + "\n\t}");
    }
    if (config.longNameMax() != 0) {
      members.add("\t\"LongNameMax\": " + config.longNameMax());
    }
    return "{\n" + String.join(",\n", members) + "\n}\n";
  }

  private static String array(List<String> values, String indent) {
    if (values.isEmpty()) {
      return "[]";
    }
    String separator = ",\n" + indent + "\t";
    return "[\n" + indent + "\t" + String.join(separator, values) + "\n" + indent + "]";
  }

  private static String base64(byte[] bytes) {
    return '"' + Base64.getEncoder().encodeToString(bytes) + '"';
  }

  /** A JSON string with Go's escapes, which make it safe inside HTML too. */
  private static String quote(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> quoted.append('\\').append(c);
        case '\n' -> quoted.append("\\n");
        case '\r' -> quoted.append("\\r");
        case '\t' -> quoted.append("\\t");
        case '\b' -> quoted.append("\\b");
        case '\f' -> quoted.append("\\f");
        default -> {
          if (c < ' ' || c == '<' || c == '>' || c == '&' || c == '\u2028' || c == '\u2029') {
            quoted.append(String.format("\\u%04x", (int) c));
          } else {
            quoted.append(c);
          }
        }
      }
    }
    return quoted.append('"').toString();
  }
}
