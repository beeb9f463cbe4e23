package io.coffer.format.fscrypt;

import static io.coffer.format.fscrypt.Samples.hex;
import static io.coffer.format.fscrypt.Samples.sha256;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/** See README.md beside the tables. */
@DisplayName("fscrypt gives the known answers")
class KnownAnswersTest {
  @ParameterizedTest
  @DisplayName("for the identifiers of master keys")
  @CsvFileSource(resources = "identifiers.csv")
  void identifiers(String key, String identifier) {
    try (FscryptMasterKey master = Samples.masterKey(hex(key))) {
      assertEquals(identifier, hex(master.identifier()));
    }
  }

  @ParameterizedTest
  @DisplayName("for contents, and opens them")
  @CsvFileSource(resources = "contents.csv")
  void contents(
      ContentsMode mode, int log2, long firstUnit, int bytes, String beginning, String digest)
      throws Exception {
    try (FscryptMasterKey master = Samples.masterKey(64);
        FscryptContents contents = master.contents(Samples.context(master, mode, log2))) {
      byte[] plain = new byte[bytes];
      byte[] stored = Samples.seal(contents, firstUnit, plain);
      assertEquals(digest, hex(sha256(stored)));
      byte[] expected = beginning == null ? new byte[0] : hex(beginning);
      assertArrayEquals(expected, Arrays.copyOf(stored, expected.length));
      assertArrayEquals(plain, Samples.open(contents, firstUnit, stored));
    }
  }

  @ParameterizedTest
  @DisplayName("for names, and reads them")
  @CsvFileSource(resources = "names.csv")
  void names(NamesMode mode, int padding, String plain, String expected) throws Exception {
    try (FscryptMasterKey master = Samples.masterKey(64);
        FscryptNames names = master.names(Samples.context(master, mode, padding))) {
      byte[] name = plain.getBytes(StandardCharsets.US_ASCII);
      byte[] stored = names.encrypt(name);
      assertEquals(expected, hex(stored.length > 32 ? sha256(stored) : stored));
      assertArrayEquals(name, names.decrypt(stored));
    }
  }
}
