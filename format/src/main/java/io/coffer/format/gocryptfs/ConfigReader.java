package io.coffer.format.gocryptfs;

import io.coffer.format.gocryptfs.ConfigException.Reason;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;

/**
 * Reads a configuration strictly: each member at most once, of its type, nothing after the end.
 * Members it does not know are skipped, as gocryptfs does. Used once.
 */
final class ConfigReader {
  private final byte[] json;

  private String creator = "";
  private byte @Nullable [] encryptedKey;
  private @Nullable ScryptParameters scrypt;
  private @Nullable Integer version;
  private @Nullable List<FeatureFlag> flags;
  private int longNameMax;
  private GocryptfsConfig.@Nullable Fido2 fido2;

  ConfigReader(byte[] json) {
    this.json = json;
  }

  GocryptfsConfig read() throws ConfigException {
    if (json.length == 0) {
      throw new ConfigException(Reason.DAMAGED, "the configuration is empty");
    }
    if (json.length > GocryptfsConfig.MAX_FILE_BYTES) {
      throw new ConfigException(
          Reason.DAMAGED, "the configuration has " + json.length + " bytes, too many to be one");
    }
    try (JsonParser parser = new JsonFactory().createParser(ObjectReadContext.empty(), json)) {
      parser.nextToken();
      readObject(parser, "the configuration", this::readMember);
      if (parser.nextToken() != null) {
        throw damaged(parser, "there is something after the end of the configuration");
      }
    } catch (JacksonException e) {
      TokenStreamLocation at = e.getLocation();
      throw new ConfigException(
          Reason.DAMAGED,
          "the configuration is not JSON"
              + (at == null ? "" : ", line " + at.getLineNr() + " column " + at.getColumnNr()));
    }
    if (version == null) {
      throw missing("Version");
    }
    if (version != GocryptfsConfig.VERSION) {
      throw new ConfigException(
          version < GocryptfsConfig.VERSION ? Reason.DEPRECATED : Reason.UNKNOWN_FEATURE,
          "the volume has format version " + version + "; only version 2 is supported");
    }
    if (encryptedKey == null) {
      throw missing("EncryptedKey");
    }
    if (scrypt == null) {
      throw missing("ScryptObject");
    }
    return new GocryptfsConfig(
        creator, encryptedKey, scrypt, flags == null ? List.of() : flags, longNameMax, fido2);
  }

  /** Takes one member of an object; the parser stands on its value. False: not known. */
  private interface Member {
    boolean read(JsonParser parser, String name) throws ConfigException;
  }

  private static void readObject(JsonParser parser, String what, Member member)
      throws ConfigException {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      throw damaged(parser, what + " is not a JSON object");
    }
    Set<String> seen = new HashSet<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      if (!seen.add(name)) {
        throw damaged(parser, name + " occurs twice");
      }
      parser.nextToken();
      if (!member.read(parser, name)) {
        parser.skipChildren();
      }
    }
  }

  private boolean readMember(JsonParser parser, String name) throws ConfigException {
    switch (name) {
      case "Creator" -> creator = text(parser, name);
      case "EncryptedKey" -> encryptedKey = base64(parser, name);
      case "ScryptObject" -> scrypt = readScrypt(parser);
      case "Version" -> version = (int) number(parser, name, 65535);
      case "FeatureFlags" -> flags = readFlags(parser);
      case "LongNameMax" -> longNameMax = (int) number(parser, name, 255);
      case "FIDO2" -> fido2 = readFido2(parser);
      default -> {
        return false;
      }
    }
    return true;
  }

  private static ScryptParameters readScrypt(JsonParser parser) throws ConfigException {
    var values =
        new Object() {
          byte @Nullable [] salt;
          long n = -1;
          long r = -1;
          long p = -1;
          long keyBytes = -1;
        };
    readObject(
        parser,
        "ScryptObject",
        (at, name) -> {
          switch (name) {
            case "Salt" -> values.salt = base64(at, name);
            case "N" -> values.n = number(at, name, Long.MAX_VALUE);
            case "R" -> values.r = number(at, name, Integer.MAX_VALUE);
            case "P" -> values.p = number(at, name, Integer.MAX_VALUE);
            case "KeyLen" -> values.keyBytes = number(at, name, Integer.MAX_VALUE);
            default -> {
              return false;
            }
          }
          return true;
        });
    byte[] salt = values.salt;
    if (salt == null) {
      throw missing("ScryptObject.Salt");
    }
    if (values.n < 0 || values.r < 0 || values.p < 0 || values.keyBytes < 0) {
      throw missing("one of ScryptObject.N, R, P and KeyLen");
    }
    return new ScryptParameters(
        salt, values.n, (int) values.r, (int) values.p, (int) values.keyBytes);
  }

  private static List<FeatureFlag> readFlags(JsonParser parser) throws ConfigException {
    List<FeatureFlag> flags = new ArrayList<>();
    for (String word : texts(parser, "FeatureFlags")) {
      FeatureFlag flag = FeatureFlag.of(word);
      if (flag == null) {
        throw new ConfigException(
            Reason.UNKNOWN_FEATURE,
            "the volume uses a feature that this version does not know: " + printable(word));
      }
      flags.add(flag);
    }
    return flags;
  }

  private static GocryptfsConfig.Fido2 readFido2(JsonParser parser) throws ConfigException {
    var values =
        new Object() {
          byte @Nullable [] credentialId;
          byte @Nullable [] hmacSalt;
          List<String> assertOptions = List.of();
        };
    readObject(
        parser,
        "FIDO2",
        (at, name) -> {
          switch (name) {
            case "CredentialID" -> values.credentialId = base64(at, name);
            case "HMACSalt" -> values.hmacSalt = base64(at, name);
            case "AssertOptions" -> {
              if (at.currentToken() != JsonToken.VALUE_NULL) {
                values.assertOptions = texts(at, name);
              }
            }
            default -> {
              return false;
            }
          }
          return true;
        });
    byte[] credentialId = values.credentialId;
    byte[] hmacSalt = values.hmacSalt;
    if (credentialId == null || hmacSalt == null) {
      throw missing("one of FIDO2.CredentialID and HMACSalt");
    }
    return new GocryptfsConfig.Fido2(credentialId, hmacSalt, List.copyOf(values.assertOptions));
  }

  private static List<String> texts(JsonParser parser, String name) throws ConfigException {
    if (parser.currentToken() != JsonToken.START_ARRAY) {
      throw damaged(parser, name + " is not a list");
    }
    List<String> texts = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      texts.add(text(parser, name));
    }
    return texts;
  }

  private static String text(JsonParser parser, String name) throws ConfigException {
    if (parser.currentToken() != JsonToken.VALUE_STRING) {
      throw damaged(parser, name + " is not text");
    }
    return parser.getString();
  }

  private static long number(JsonParser parser, String name, long max) throws ConfigException {
    if (parser.currentToken() == JsonToken.VALUE_NUMBER_INT) {
      try {
        long value = parser.getLongValue();
        if (value >= 0 && value <= max) {
          return value;
        }
      } catch (JacksonException e) {
        throw damaged(parser, name + " is out of range");
      }
      throw damaged(parser, name + " is out of range");
    }
    throw damaged(parser, name + " is not a whole number");
  }

  private static byte[] base64(JsonParser parser, String name) throws ConfigException {
    try {
      return Base64.getDecoder().decode(text(parser, name));
    } catch (IllegalArgumentException e) {
      throw damaged(parser, name + " is not base64");
    }
  }

  private static String printable(String word) {
    String clean = word.replaceAll("[^\\x21-\\x7e]", "?");
    return clean.length() <= 64 ? clean : clean.substring(0, 64) + "...";
  }

  private static ConfigException missing(String what) {
    return new ConfigException(Reason.DAMAGED, "the configuration lacks " + what);
  }

  private static ConfigException damaged(JsonParser parser, String what) {
    return new ConfigException(
        Reason.DAMAGED,
        what + " (line " + parser.currentTokenLocation().getLineNr() + " of the configuration)");
  }
}
