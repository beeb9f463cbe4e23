package io.coffer.format.fscrypt;

import static io.coffer.format.fscrypt.Samples.hex;
import static io.coffer.format.fscrypt.Samples.sha256;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
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
  @DisplayName("for contents of zeros, and opens them")
  @CsvFileSource(resources = "zeros.csv")
  void zeros(
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
  @DisplayName("for contents of every mode and size of unit, and opens them")
  @CsvFileSource(resources = "contents.csv")
  void contents(
      ContentsMode mode, int log2, long firstUnit, int bytes, boolean directKey, String digest)
      throws Exception {
    byte[] plain = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      plain[i] = (byte) (7 * i + 13 * (i / 256));
    }
    try (FscryptMasterKey master = Samples.masterKey(64)) {
      FscryptPolicy policy =
          new FscryptPolicy(
              mode, Samples.partnerOf(mode), 32, directKey, log2, master.identifier());
      FscryptContext context = new FscryptContext(policy, Samples.NONCE);
      try (FscryptContents contents = master.contents(context)) {
        byte[] stored = Samples.seal(contents, firstUnit, plain);
        assertEquals(policy.storedSize(bytes), stored.length);
        assertEquals(digest, hex(sha256(stored)));
        byte[] opened = Samples.open(contents, firstUnit, stored);
        assertArrayEquals(Arrays.copyOf(plain, stored.length), opened);
      }
    }
  }

  @ParameterizedTest
  @DisplayName("for names of every mode, padding and length, and reads them")
  @CsvFileSource(resources = "name-lengths.csv")
  void nameLengths(NamesMode mode, int padding, boolean directKey, String digest) throws Exception {
    try (FscryptMasterKey master = Samples.masterKey(64)) {
      FscryptPolicy policy =
          new FscryptPolicy(
              Samples.partnerOf(mode), mode, padding, directKey, 12, master.identifier());
      try (FscryptNames names = master.names(new FscryptContext(policy, Samples.NONCE))) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int length = 1; length <= 255; length++) {
          byte[] name = new byte[length];
          for (int i = 0; i < length; i++) {
            name[i] = (byte) ('a' + (7 * i + length) % 26);
          }
          byte[] stored = names.encrypt(name);
          assertArrayEquals(name, names.decrypt(stored));
          all.writeBytes(stored);
        }
        assertEquals(digest, hex(sha256(all.toByteArray())));
      }
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
