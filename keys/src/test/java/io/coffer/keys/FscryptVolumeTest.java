package io.coffer.keys;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The master keys of a volume with fscrypt policies")
class FscryptVolumeTest {
  private static final int LOG_N = 10;

  private static SecretBytes secret(String text) {
    return SecretBytes.take(text.getBytes(UTF_8));
  }

  private static void assertOpens(FscryptVolume volume, String password, SecretBytes... wanted)
      throws VolumeException {
    try (SecretBytes word = secret(password)) {
      List<SecretBytes> opened = volume.unlock(null, word);
      assertEquals(wanted.length, opened.size());
      for (int i = 0; i < wanted.length; i++) {
        assertTrue(wanted[i].matches(opened.get(i)));
        opened.get(i).close();
      }
    }
  }

  private static void assertProblem(Problem problem, FscryptVolume volume, String password) {
    try (SecretBytes word = secret(password)) {
      var e = assertThrows(VolumeException.class, () -> volume.unlock(null, word));
      assertEquals(problem, e.problem());
    }
  }

  @Test
  void openWithAnyOfTheirProtectorsAfterBeingStored(@TempDir Path directory) throws Exception {
    try (SecretBytes first = SecretBytes.random(64);
        SecretBytes second = SecretBytes.random(32);
        SecretBytes one = secret("one");
        SecretBytes two = secret("two")) {
      FscryptVolume.empty()
          .withProtector(first, "mine", one, LOG_N)
          .withProtector(first, "hers", two, LOG_N)
          .withProtector(second, "mine", one, LOG_N)
          .create(directory);
      FscryptVolume volume = FscryptVolume.open(directory);
      assertEquals(2, volume.keys().size());
      assertEquals(2, volume.keys().getFirst().protectors().size());
      assertOpens(volume, "one", first, second);
      assertOpens(volume, "two", first);
      assertProblem(Problem.WRONG_PASSWORD, volume, "three");
    }
  }

  @Test
  void areRefusedIfAnythingBesideThemWasChanged() throws Exception {
    try (SecretBytes key = SecretBytes.random(64);
        SecretBytes password = secret("word")) {
      var volume = FscryptVolume.empty().withProtector(key, "mine", password, LOG_N);
      String json = new String(volume.toJson(), UTF_8);
      assertProblem(
          Problem.WRONG_PASSWORD,
          FscryptVolume.parse(json.replace("\"mine\"", "\"hers\"").getBytes(UTF_8)),
          "word");
      String other = "00".repeat(16);
      assertProblem(
          Problem.WRONG_PASSWORD,
          FscryptVolume.parse(
              json.replace(volume.keys().getFirst().identifier(), other).getBytes(UTF_8)),
          "word");
    }
  }

  @Test
  void areNotHashedWithParametersThatAreWeakOrEndless() throws Exception {
    try (SecretBytes key = SecretBytes.random(64);
        SecretBytes password = secret("word")) {
      var volume = FscryptVolume.empty().withProtector(key, "mine", password, LOG_N);
      String json = new String(volume.toJson(), UTF_8);
      for (String n : List.of("2", "1025", "1073741824")) {
        byte[] changed = json.replace("\"n\":1024", "\"n\":" + n).getBytes(UTF_8);
        var e = assertThrows(VolumeException.class, () -> FscryptVolume.parse(changed));
        assertEquals(Problem.SCRYPT_PARAMETERS, e.problem());
      }
    }
  }

  @Test
  void areRefusedAsDamagedIfTheyAreNoJson() {
    for (String text :
        List.of(
            "", "[]", "{}", "{\"version\":1}x", "{\"version\":1,\"keys\":[{}]}", "{\"keys\":")) {
      var e =
          assertThrows(
              VolumeException.class, () -> FscryptVolume.parse(text.getBytes(UTF_8)), text);
      assertEquals(Problem.CONFIG_DAMAGED, e.problem());
    }
  }

  @Test
  void areNotStoredBesideOtherFiles(@TempDir Path directory) throws Exception {
    Files.writeString(directory.resolve("file"), "x");
    var e = assertThrows(VolumeException.class, () -> FscryptVolume.empty().create(directory));
    assertEquals(Problem.DIRECTORY_NOT_EMPTY, e.problem());
  }
}
