package io.coffer.keys;

import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.keys.FscryptVolume.Grant;
import io.coffer.keys.VolumeException.Problem;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * The layout of the metadata of a volume with fscrypt policies; see docs/formats.md. What is read
 * may have been written by anybody: it is checked for all that the code relies on.
 */
final class FscryptVolumeJson {
  private static final int VERSION = 2;
  private static final int MOST_PROTECTORS = 4096;
  private static final JsonFactory JSON = new JsonFactory();

  private FscryptVolumeJson() {}

  static byte[] format(FscryptVolume volume) {
    var out = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
      json.writeStartObject();
      json.writeStringProperty("format", "fscrypt");
      json.writeNumberProperty("version", VERSION);
      write(json, volume.cost());
      json.writeArrayPropertyStart("protectors");
      for (Protector each : volume.protectors()) {
        json.writeStartObject();
        json.writeStringProperty("id", each.id());
        json.writeStringProperty("kind", each.kind().word());
        json.writeStringProperty("name", each.name());
        Argon2Cost cost = each.cost();
        if (cost != null) {
          write(json, cost);
        }
        writeBytes(json, "salt", each.salt());
        writeBytes(json, "wrapped", each.wrapped());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeArrayPropertyStart("keys");
      for (FscryptVolume.Key key : volume.keys()) {
        json.writeStartObject();
        json.writeStringProperty("identifier", key.identifier());
        json.writeArrayPropertyStart("grants");
        for (Grant grant : key.grants()) {
          json.writeStartObject();
          json.writeStringProperty("protector", grant.protector());
          writeBytes(json, "wrapped", grant.wrapped());
          json.writeEndObject();
        }
        json.writeEndArray();
        writeBytes(json, "mac", key.mac());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    out.write('\n');
    return out.toByteArray();
  }

  private static void write(JsonGenerator json, Argon2Cost cost) {
    json.writeObjectPropertyStart("argon2id");
    json.writeNumberProperty("memoryKib", cost.memoryKib());
    json.writeNumberProperty("passes", cost.passes());
    json.writeNumberProperty("lanes", cost.lanes());
    json.writeEndObject();
  }

  private static void writeBytes(JsonGenerator json, String name, byte[] bytes) {
    json.writeStringProperty(name, Base64.getEncoder().encodeToString(bytes));
  }

  static FscryptVolume parse(byte[] bytes) throws VolumeException {
    if (bytes.length > FscryptVolume.MOST_BYTES) {
      throw damaged("it has " + bytes.length + " bytes, too many");
    }
    Argon2Cost cost = null;
    List<Protector> protectors = new ArrayList<>();
    List<FscryptVolume.Key> keys = new ArrayList<>();
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), bytes)) {
      expect(parser.nextToken(), JsonToken.START_OBJECT);
      boolean versionSeen = false;
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "format" -> {
            if (!text(parser).equals("fscrypt")) {
              throw damaged("its format is not fscrypt");
            }
          }
          case "version" -> {
            if (parser.getIntValue() != VERSION) {
              throw new VolumeException(
                  Problem.UNKNOWN_FEATURE,
                  FscryptVolume.FILE_NAME
                      + " has version "
                      + parser.getIntValue()
                      + "; only "
                      + VERSION
                      + " is supported");
            }
            versionSeen = true;
          }
          case "argon2id" -> cost = readCost(parser);
          case "protectors" -> {
            expect(parser.currentToken(), JsonToken.START_ARRAY);
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              protectors.add(readProtector(parser));
            }
          }
          case "keys" -> {
            expect(parser.currentToken(), JsonToken.START_ARRAY);
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              keys.add(readKey(parser));
            }
          }
          default -> parser.skipChildren();
        }
      }
      if (!versionSeen || parser.nextToken() != null) {
        throw damaged("it has no version, or something after its end");
      }
    } catch (JacksonException | IllegalArgumentException e) {
      throw damaged("it is not the JSON that it should be");
    }
    if (cost == null) {
      throw damaged("it says no cost of passphrases");
    }
    checkReferences(protectors, keys);
    return new FscryptVolume(cost, protectors, keys, bytes.clone());
  }

  private static void checkReferences(List<Protector> protectors, List<FscryptVolume.Key> keys)
      throws VolumeException {
    Set<String> ids = new HashSet<>();
    for (Protector each : protectors) {
      if (!ids.add(each.id())) {
        throw damaged("two protectors have one id");
      }
    }
    Set<String> identifiers = new HashSet<>();
    for (FscryptVolume.Key key : keys) {
      if (!identifiers.add(key.identifier())) {
        throw damaged("a key is there twice");
      }
      for (Grant grant : key.grants()) {
        if (!ids.contains(grant.protector())) {
          throw damaged("a key names a protector that is not there");
        }
      }
    }
    if (protectors.size() > MOST_PROTECTORS) {
      throw damaged("it has too many protectors");
    }
  }

  private static Argon2Cost readCost(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    int memory = 0;
    int passes = 0;
    int lanes = 0;
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "memoryKib" -> memory = parser.getIntValue();
        case "passes" -> passes = parser.getIntValue();
        case "lanes" -> lanes = parser.getIntValue();
        default -> parser.skipChildren();
      }
    }
    try {
      return new Argon2Cost(memory, passes, lanes);
    } catch (IllegalArgumentException e) {
      throw new VolumeException(
          Problem.SCRYPT_PARAMETERS,
          FscryptVolume.FILE_NAME
              + " asks for password hashing that is refused: "
              + e.getMessage());
    }
  }

  private static Protector readProtector(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    String id = "";
    String called = "";
    ProtectorKind kind = null;
    Argon2Cost cost = null;
    byte[] salt = {};
    byte[] wrapped = {};
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "id" -> id = hex(parser, Protector.ID_BYTES);
        case "kind" -> {
          String word = text(parser);
          kind =
              ProtectorKind.of(word)
                  .orElseThrow(() ->
                      new VolumeException(
                          Problem.UNKNOWN_FEATURE,
                          FscryptVolume.FILE_NAME
                              + " has a protector of a kind that is not known: "
                              + word));
        }
        case "name" -> called = text(parser);
        case "argon2id" -> cost = readCost(parser);
        case "salt" -> salt = base64(parser);
        case "wrapped" -> wrapped = base64(parser);
        default -> parser.skipChildren();
      }
    }
    if (id.isEmpty() || kind == null || salt.length < Protector.SALT_BYTES) {
      throw damaged("a protector lacks its id, kind or salt");
    }
    if (called.codePoints().anyMatch(Character::isISOControl)) {
      throw damaged("a protector's name has characters that cannot be printed");
    }
    return new Protector(id, kind, called, cost, salt, wrapped);
  }

  private static FscryptVolume.Key readKey(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    String identifier = "";
    List<Grant> grants = new ArrayList<>();
    byte[] mac = {};
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "identifier" -> identifier = hex(parser, FscryptPolicy.IDENTIFIER_BYTES);
        case "grants" -> {
          expect(parser.currentToken(), JsonToken.START_ARRAY);
          while (parser.nextToken() != JsonToken.END_ARRAY) {
            grants.add(readGrant(parser));
          }
        }
        case "mac" -> mac = base64(parser);
        default -> parser.skipChildren();
      }
    }
    if (identifier.isEmpty()) {
      throw damaged("a key has no identifier");
    }
    return new FscryptVolume.Key(identifier, grants, mac);
  }

  private static Grant readGrant(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    String protector = "";
    byte[] wrapped = {};
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "protector" -> protector = hex(parser, Protector.ID_BYTES);
        case "wrapped" -> wrapped = base64(parser);
        default -> parser.skipChildren();
      }
    }
    return new Grant(protector, wrapped);
  }

  private static byte[] base64(JsonParser parser) throws VolumeException {
    return Base64.getDecoder().decode(text(parser));
  }

  private static String text(JsonParser parser) throws VolumeException {
    String text = parser.currentToken() == JsonToken.VALUE_STRING ? parser.getString() : null;
    if (text == null) {
      throw damaged("a text is missing");
    }
    return text;
  }

  private static String hex(JsonParser parser, int bytes) throws VolumeException {
    String text = text(parser);
    byte[] value = HexFormat.of().parseHex(text);
    if (value.length != bytes) {
      throw damaged("an identifier has not " + bytes + " bytes");
    }
    return HexFormat.of().formatHex(value);
  }

  private static void expect(@Nullable JsonToken found, JsonToken wanted) throws VolumeException {
    if (found != wanted) {
      throw damaged("it is not the JSON that it should be");
    }
  }

  private static VolumeException damaged(String why) {
    return new VolumeException(
        Problem.CONFIG_DAMAGED, FscryptVolume.FILE_NAME + " is damaged: " + why);
  }
}
