package io.coffer.keys;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.VolumeException.Problem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The master keys of a volume with fscrypt policies")
class FscryptVolumeTest {
  private static final Argon2Cost CHEAP = new Argon2Cost(8192, 1, 1);

  private final SecretBytes first = SecretBytes.random(64);
  private final SecretBytes second = SecretBytes.random(32);

  @AfterEach
  void wipe() {
    first.close();
    second.close();
  }

  private static ProtectorSecret word(String text) {
    return ProtectorSecret.typed(SecretBytes.take(text.getBytes(UTF_8)));
  }

  private static FscryptVolume with(
      FscryptVolume volume, String name, String password, SecretBytes... keys)
      throws VolumeException {
    try (ProtectorSecret secret = word(password)) {
      return volume.withProtector(ProtectorKind.PASSPHRASE, name, secret, List.of(keys));
    }
  }

  /** "mine" gives both keys, "hers" the first. */
  private FscryptVolume volume() throws VolumeException {
    FscryptVolume one = with(FscryptVolume.empty(CHEAP), "mine", "one", first, second);
    return with(one, "hers", "two", first);
  }

  private static void assertOpens(
      FscryptVolume volume, @Nullable String protector, ProtectorSecret secret, SecretBytes... keys)
      throws VolumeException {
    try (secret) {
      List<OpenKey> opened = volume.unlock(null, protector, secret);
      assertEquals(keys.length, opened.size());
      for (int i = 0; i < keys.length; i++) {
        assertTrue(keys[i].matches(opened.get(i).masterKey()));
        assertEquals(FscryptVolume.identifierOf(keys[i]), opened.get(i).identifier());
        opened.get(i).close();
      }
    }
  }

  private static void assertProblem(Problem problem, FscryptVolume volume, String password) {
    try (ProtectorSecret secret = word(password)) {
      var e = assertThrows(VolumeException.class, () -> volume.unlock(null, null, secret));
      assertEquals(problem, e.problem());
    }
  }

  private static FscryptVolume changed(FscryptVolume volume, String old, String now)
      throws VolumeException {
    String json = new String(volume.toJson(), UTF_8);
    assertTrue(json.contains(old), json);
    return FscryptVolume.parse(json.replace(old, now).getBytes(UTF_8));
  }

  @Test
  void openWithAnyOfTheirProtectorsAfterBeingStored(@TempDir Path directory) throws Exception {
    volume().create(directory);
    FscryptVolume volume = FscryptVolume.open(directory);
    assertEquals(2, volume.keys().size());
    assertEquals(2, volume.protectorsOf(volume.keys().getFirst()).size());
    assertOpens(volume, null, word("one"), first, second);
    assertOpens(volume, null, word("two"), first);
    assertOpens(volume, "hers", word("two"), first);
    assertProblem(Problem.WRONG_PASSWORD, volume, "three");
    try (ProtectorSecret secret = word("two")) {
      var e = assertThrows(VolumeException.class, () -> volume.unlock(null, "mine", secret));
      assertEquals(Problem.WRONG_PASSWORD, e.problem());
      String other = FscryptVolume.identifierOf(second);
      e = assertThrows(VolumeException.class, () -> volume.unlock(other, null, secret));
      assertEquals(Problem.WRONG_PASSWORD, e.problem());
    }
  }

  @Test
  void areGivenByKeyFilesAndRecoveryWordsToo(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("key");
    try (SecretBytes raw = SecretBytes.random(32)) {
      raw.read(bytes -> Files.write(file, bytes));
    }
    FscryptVolume volume = volume();
    byte[] words;
    try (ProtectorSecret key = ProtectorSecret.keyFile(file);
        ProtectorSecret recovery = ProtectorSecret.newRecovery()) {
      volume = volume.withProtector(ProtectorKind.KEY_FILE, "file", key, List.of(second));
      volume = volume.withProtector(ProtectorKind.RECOVERY, "paper", recovery, List.of(first));
      words = recovery.words();
    }
    FscryptVolume stored = FscryptVolume.parse(volume.toJson());
    assertOpens(stored, null, ProtectorSecret.keyFile(file), second);
    String written = new String(words, UTF_8);
    assertTrue(written.matches("([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][a-z]-?){10}"));
    assertOpens(stored, null, word(written), first);
    assertOpens(
        stored, null, word(written.toUpperCase(java.util.Locale.ROOT).replace('-', ' ')), first);
    char wrong = written.charAt(3) == 'a' ? 'i' : 'a';
    assertProblem(
        Problem.WRONG_PASSWORD, stored, written.substring(0, 3) + wrong + written.substring(4));
  }

  @Test
  void recoveryWordsNoticeEveryWrongLetter() {
    try (ProtectorSecret recovery = ProtectorSecret.newRecovery()) {
      byte[] words = recovery.words();
      try (SecretBytes parsed = RecoveryWords.parse(SecretBytes.copyOf(words))) {
        assertTrue(present(parsed).matches(recovery.bytes()));
      }
      int survivors = 0;
      for (int i = 0; i < words.length; i++) {
        byte[] slip = words.clone();
        slip[i] = (byte) (slip[i] == 'a' ? 'o' : 'a');
        if (RecoveryWords.parse(SecretBytes.take(slip)) != null && words[i] != '-') {
          survivors++;
        }
      }
      // A check of 16 bits passes one of 65536 by luck; more than one of 59 is no luck.
      assertTrue(survivors <= 1, survivors + " wrong letters were not noticed");
      assertNull(RecoveryWords.parse(SecretBytes.copyOf(Arrays.copyOf(words, words.length - 1))));
    }
  }

  private static SecretBytes present(@Nullable SecretBytes value) {
    assertNotNull(value);
    return value;
  }

  @Test
  void areRefusedIfAnythingBesideThemWasChanged() throws Exception {
    FscryptVolume volume = volume();
    assertProblem(Problem.WRONG_PASSWORD, changed(volume, "\"mine\"", "\"his\""), "one");
    assertProblem(Problem.WRONG_PASSWORD, changed(volume, "\"passphrase\"", "\"command\""), "one");
    assertProblem(
        Problem.CONFIG_DAMAGED,
        changed(volume, FscryptVolume.identifierOf(first), "00".repeat(16)),
        "one");
    assertProblem(
        Problem.CONFIG_DAMAGED,
        changed(
            volume,
            "\"version\":2,\"argon2id\":{\"memoryKib\":8192,\"passes\":1",
            "\"version\":2,\"argon2id\":{\"memoryKib\":8192,\"passes\":2"),
        "one");
  }

  @Test
  void areRefusedIfAProtectorWasTakenOrPutBackByWhoHasNotTheKey() throws Exception {
    FscryptVolume before = volume();
    Protector hers = before.protector("hers");
    FscryptVolume after = before.withoutProtector(hers, List.of(first));
    assertFalse(after.protectors().contains(hers));
    assertOpens(after, null, word("one"), first, second);
    assertProblem(Problem.WRONG_PASSWORD, after, "two");
    String old = new String(before.toJson(), UTF_8);
    String now = new String(after.toJson(), UTF_8);
    // Her protector and its grant of before, with what authenticates the key now.
    String mac = "\"mac\":\"";
    String oldMac = old.substring(old.indexOf(mac), old.indexOf('}', old.indexOf(mac)));
    String newMac = now.substring(now.indexOf(mac), now.indexOf('}', now.indexOf(mac)));
    FscryptVolume forged = FscryptVolume.parse(old.replace(oldMac, newMac).getBytes(UTF_8));
    assertProblem(Problem.CONFIG_DAMAGED, forged, "two");
    assertProblem(Problem.CONFIG_DAMAGED, forged, "one");
  }

  @Test
  void keepTheirLastProtector() throws Exception {
    FscryptVolume volume = volume();
    Protector mine = volume.protector("mine");
    var e =
        assertThrows(
            VolumeException.class, () -> volume.withoutProtector(mine, List.of(first, second)));
    assertEquals(Problem.LAST_PROTECTOR, e.problem());
    assertTrue(e.getMessage().contains(FscryptVolume.identifierOf(second)), e.getMessage());
    // Of the first key it is not the last one, and it stays for the second.
    FscryptVolume less = volume.withoutProtector(mine, List.of(first));
    assertOpens(less, null, word("one"), second);
    assertOpens(less, null, word("two"), first);
  }

  @Test
  void areGivenByAProtectorThatGetsMoreOfThem() throws Exception {
    FscryptVolume volume = volume();
    try (ProtectorSecret two = word("two");
        ProtectorSecret one = word("one")) {
      Protector hers = volume.protector("hers");
      FscryptVolume more = volume.withKeys(hers, two, List.of(second, first));
      assertOpens(more, "hers", word("two"), first, second);
      var e =
          assertThrows(VolumeException.class, () -> volume.withKeys(hers, one, List.of(second)));
      assertEquals(Problem.WRONG_PASSWORD, e.problem());
    }
  }

  @Test
  void stayWhenAPassphraseIsChanged() throws Exception {
    FscryptVolume volume = volume();
    try (ProtectorSecret one = word("one");
        ProtectorSecret wrong = word("two");
        ProtectorSecret fresh = word("three")) {
      Protector mine = volume.protector("mine");
      FscryptVolume changed = volume.withSecret(mine, one, fresh);
      assertOpens(changed, null, word("three"), first, second);
      assertProblem(Problem.WRONG_PASSWORD, changed, "one");
      var e = assertThrows(VolumeException.class, () -> volume.withSecret(mine, wrong, fresh));
      assertEquals(Problem.WRONG_PASSWORD, e.problem());
    }
  }

  @Test
  void areNotHashedWithParametersThatAreWeakOrEndless() throws Exception {
    String json = new String(volume().toJson(), UTF_8);
    for (String memory : List.of("1024", "0", "2000000000", "-1")) {
      byte[] bytes = json.replace("\"memoryKib\":8192", "\"memoryKib\":" + memory).getBytes(UTF_8);
      var e = assertThrows(VolumeException.class, () -> FscryptVolume.parse(bytes));
      assertEquals(Problem.SCRYPT_PARAMETERS, e.problem());
    }
  }

  @Test
  void areRefusedAsDamagedIfTheyAreNoJson() throws VolumeException {
    String json = new String(volume().toJson(), UTF_8);
    for (String text :
        List.of(
            "",
            "[]",
            "{}",
            "{\"version\":2}x",
            "{\"version\":2}",
            "{\"version\":2,\"keys\":[{}]}",
            "{\"keys\":",
            json.replace("\"protectors\":[", "\"protectors\":[{},"),
            json.replace("\"id\":", "\"it\":"),
            json.replaceFirst("\"protector\":\"....", "\"protector\":\"0000"))) {
      var e =
          assertThrows(
              VolumeException.class, () -> FscryptVolume.parse(text.getBytes(UTF_8)), text);
      assertEquals(Problem.CONFIG_DAMAGED, e.problem(), text);
    }
  }

  @Test
  void areNotStoredBesideOtherFiles(@TempDir Path directory) throws Exception {
    Files.writeString(directory.resolve("file"), "x");
    var e = assertThrows(VolumeException.class, () -> FscryptVolume.empty(CHEAP).create(directory));
    assertEquals(Problem.DIRECTORY_NOT_EMPTY, e.problem());
  }

  @Test
  void areNotOverwrittenByOneWhoReadThemBeforeAnotherChangedThem(@TempDir Path directory)
      throws Exception {
    volume().create(directory);
    FscryptVolume mine = FscryptVolume.open(directory);
    FscryptVolume hers = FscryptVolume.open(directory);
    with(hers, "third", "three", first).replace(directory);
    FscryptVolume late = with(mine, "fourth", "four", first);
    var e = assertThrows(VolumeException.class, () -> late.replace(directory));
    assertEquals(Problem.WRITE_FAILED, e.problem());
    assertTrue(e.getMessage().contains("meanwhile"), e.getMessage());
    assertOpens(FscryptVolume.open(directory), "third", word("three"), first);
    // What somebody who was killed has left is not taken for nothing.
    Files.writeString(directory.resolve(FscryptVolume.FILE_NAME + ".tmp"), "");
    FscryptVolume blocked = with(FscryptVolume.open(directory), "fourth", "four", first);
    e = assertThrows(VolumeException.class, () -> blocked.replace(directory));
    assertTrue(e.getMessage().contains(".tmp"), e.getMessage());
  }
}
