package io.coffer.keys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.VolumeException.Problem;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A gocryptfs volume")
class GocryptfsVolumeTest {
  private static final GocryptfsOptions OPTIONS = GocryptfsOptions.DEFAULT.withScryptLogN(10);

  @TempDir Path temporary;
  private Path directory;

  @BeforeEach
  void makeDirectory() throws Exception {
    directory = Files.createDirectory(temporary.resolve("volume dir"));
  }

  @Nested
  @DisplayName("being made")
  class BeingMade {
    @Test
    @DisplayName("is a configuration that only its owner reads, and an IV that all read")
    void consistsOfTwoFiles() throws Exception {
      create(OPTIONS, "secret");
      assertEquals(List.of("gocryptfs.conf", "gocryptfs.diriv"), names());
      assertEquals("r--------", permissions("gocryptfs.conf"));
      assertEquals("r--r--r--", permissions("gocryptfs.diriv"));
      assertEquals(16, Files.size(directory.resolve("gocryptfs.diriv")));
    }

    @Test
    @DisplayName("has no IV if names are plain or deterministic")
    void hasNoIvWithoutNeed() throws Exception {
      create(OPTIONS.withPlaintextNames(true), "secret");
      assertEquals(List.of("gocryptfs.conf"), names());
      Files.delete(directory.resolve("gocryptfs.conf"));
      create(OPTIONS.withDeterministicNames(true), "secret");
      assertEquals(List.of("gocryptfs.conf"), names());
    }

    @Test
    @DisplayName("does not touch a directory that is not empty, and names what is in the way")
    void refusesWhatIsNotEmpty() throws Exception {
      Files.writeString(directory.resolve("thesis.tex"), "x");
      VolumeException e = problem(Problem.DIRECTORY_NOT_EMPTY, () -> create(OPTIONS, "secret"));
      assertTrue(e.getMessage().contains("thesis.tex"), e.getMessage());
      assertEquals(List.of("thesis.tex"), names());
    }

    @Test
    @DisplayName("never replaces a volume")
    void refusesToReplaceAVolume() throws Exception {
      create(OPTIONS, "secret");
      byte[] before = Files.readAllBytes(directory.resolve("gocryptfs.conf"));
      VolumeException e = problem(Problem.VOLUME_EXISTS, () -> create(OPTIONS, "other"));
      assertEquals("coffer mount '" + directory + "' MOUNTPOINT", e.suggestion());
      assertArrayEquals(before, Files.readAllBytes(directory.resolve("gocryptfs.conf")));
    }

    @Test
    @DisplayName("works again after a crash that left the IV alone")
    void goesOnAfterACrash() throws Exception {
      Files.writeString(directory.resolve("gocryptfs.diriv"), "");
      Files.writeString(directory.resolve("gocryptfs.conf.tmp"), "{");
      create(OPTIONS, "secret");
      assertEquals(List.of("gocryptfs.conf", "gocryptfs.diriv"), names());
      assertEquals(16, Files.size(directory.resolve("gocryptfs.diriv")));
    }

    @Test
    @DisplayName("in reverse keeps its configuration hidden among the plain files, for AES-SIV")
    void reverseLeavesTheTreeAlone() throws Exception {
      Files.writeString(directory.resolve("thesis.tex"), "x");
      try (SecretBytes password = secret("secret")) {
        GocryptfsVolume.create(directory, null, true, OPTIONS, password, null);
      }
      assertEquals(List.of(".gocryptfs.reverse.conf", "thesis.tex"), names());
      GocryptfsVolume volume = GocryptfsVolume.open(directory, true);
      assertEquals(GocryptfsCipher.AES_SIV, volume.config().cipher());
    }

    @Test
    @DisplayName("has the master key it was given")
    void takesAMasterKey() throws Exception {
      byte[] text = "00112233-".repeat(8).getBytes(StandardCharsets.US_ASCII);
      try (SecretBytes password = secret("secret");
          SecretBytes key = MasterKeyText.parse(text)) {
        GocryptfsVolume volume =
            GocryptfsVolume.create(directory, null, false, OPTIONS, password, key);
        try (SecretBytes unlocked = volume.unlock(password)) {
          assertTrue(unlocked.matches(key));
        }
      }
    }
  }

  @Nested
  @DisplayName("being opened")
  class BeingOpened {
    @Test
    @DisplayName("needs the right password")
    void needsThePassword() throws Exception {
      create(OPTIONS, "secret");
      GocryptfsVolume volume = GocryptfsVolume.open(directory, false);
      try (SecretBytes right = secret("secret");
          SecretBytes wrong = secret("Secret")) {
        volume.unlock(right).close();
        problem(Problem.WRONG_PASSWORD, () -> volume.unlock(wrong));
      }
    }

    @Test
    @DisplayName("is refused with the next command where there is none")
    void suggestsTheNextCommand() throws Exception {
      VolumeException none = problem(Problem.NOT_A_VOLUME, () -> open(false));
      assertEquals("coffer init '" + directory + "'", none.suggestion());
      try (SecretBytes password = secret("secret")) {
        GocryptfsVolume.create(directory, null, true, OPTIONS, password, null);
      }
      VolumeException reverse = problem(Problem.NOT_A_VOLUME, () -> open(false));
      assertEquals("coffer mount --reverse '" + directory + "' MOUNTPOINT", reverse.suggestion());
      problem(
          Problem.NO_DIRECTORY, () -> GocryptfsVolume.open(temporary.resolve("missing"), false));
    }

    @Test
    @DisplayName("is refused with a sentence for each kind of bad configuration")
    void refusesBadConfigurations() throws Exception {
      create(OPTIONS, "secret");
      Path file = directory.resolve("gocryptfs.conf");
      String good = Files.readString(file);
      assertRefused(Problem.CONFIG_DAMAGED, "");
      assertRefused(Problem.CONFIG_DAMAGED, good.substring(0, good.length() / 2));
      assertRefused(Problem.CONFIG_DAMAGED, good.replace("\"HKDF\"", "HKDF"));
      assertRefused(Problem.DEPRECATED, good.replace("DirIV", "PlaintextNames"));
      assertRefused(Problem.UNKNOWN_FEATURE, good.replace("\"HKDF\"", "\"StrangeFeature\""));
      assertRefused(Problem.DEPRECATED, good.replace("\"Version\": 2", "\"Version\": 1"));
      assertRefused(Problem.DEPRECATED, good.replace("\t\t\"GCMIV128\",\n", ""));
      assertRefused(Problem.SCRYPT_PARAMETERS, good.replace("\"N\": 1024", "\"N\": 512"));
    }

    private void assertRefused(Problem problem, String json) throws Exception {
      Path file = directory.resolve("gocryptfs.conf");
      Files.delete(file);
      Files.writeString(file, json);
      VolumeException e = problem(problem, () -> open(false));
      assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    }

    @Test
    @DisplayName("refuses a cost of hashing that exceeds the machine's memory")
    void refusesTooMuchMemory() throws Exception {
      create(OPTIONS, "secret");
      Path file = directory.resolve("gocryptfs.conf");
      String costly = Files.readString(file).replace("\"N\": 1024", "\"N\": " + (1 << 28));
      Files.delete(file);
      Files.writeString(file, costly);
      try (SecretBytes password = secret("secret")) {
        GocryptfsVolume volume = open(false);
        problem(Problem.SCRYPT_PARAMETERS, () -> volume.unlock(password));
      }
    }
  }

  @Nested
  @DisplayName("being given another password")
  class BeingGivenAnotherPassword {
    @Test
    @DisplayName("keeps its master key, flags and permissions and gets a new salt")
    void keepsEverythingElse() throws Exception {
      GocryptfsVolume volume = create(OPTIONS.withLongNameMax(100), "old");
      try (SecretBytes oldPassword = secret("old");
          SecretBytes newPassword = secret("new");
          SecretBytes masterKey = volume.unlock(oldPassword)) {
        volume.changePassword(masterKey, newPassword);
        GocryptfsVolume changed = open(false);
        try (SecretBytes again = changed.unlock(newPassword)) {
          assertTrue(again.matches(masterKey));
        }
        problem(Problem.WRONG_PASSWORD, () -> changed.unlock(oldPassword));
        GocryptfsConfig before = volume.config();
        GocryptfsConfig after = changed.config();
        assertEquals(before.flags(), after.flags());
        assertEquals(before.longNameMax(), after.longNameMax());
        assertEquals(before.scrypt().n(), after.scrypt().n());
        assertFalse(java.util.Arrays.equals(before.scrypt().salt(), after.scrypt().salt()));
      }
      assertEquals("r--------", permissions("gocryptfs.conf"));
      assertEquals(List.of("gocryptfs.conf", "gocryptfs.diriv"), names());
    }

    @Test
    @DisplayName("leaves the configuration alone if another change is under way")
    void leavesTheOldOneOnFailure() throws Exception {
      GocryptfsVolume volume = create(OPTIONS, "old");
      byte[] before = Files.readAllBytes(volume.configFile());
      Path other = Files.writeString(directory.resolve("gocryptfs.conf.tmp"), "other");
      try (SecretBytes oldPassword = secret("old");
          SecretBytes newPassword = secret("new");
          SecretBytes masterKey = volume.unlock(oldPassword)) {
        VolumeException e =
            problem(Problem.WRITE_FAILED, () -> volume.changePassword(masterKey, newPassword));
        assertEquals("rm '" + other + "'", e.suggestion());
      }
      assertArrayEquals(before, Files.readAllBytes(volume.configFile()));
      assertEquals("other", Files.readString(other));
    }

    @Test
    @DisplayName("can keep the old configuration beside it, once")
    void keepsABackup() throws Exception {
      GocryptfsVolume volume = create(OPTIONS, "old");
      byte[] before = Files.readAllBytes(volume.configFile());
      Path backup = volume.backUp();
      assertEquals(directory.resolve("gocryptfs.conf.bak"), backup);
      problem(Problem.WRITE_FAILED, volume::backUp);
      try (SecretBytes oldPassword = secret("old");
          SecretBytes masterKey = volume.unlock(oldPassword)) {
        volume.changePassword(masterKey, oldPassword);
      }
      assertArrayEquals(before, Files.readAllBytes(backup));
      assertNotEquals(
          -1, java.util.Arrays.mismatch(before, Files.readAllBytes(volume.configFile())));
    }
  }

  @Test
  @DisplayName("has a master key that can be written down and read again")
  void masterKeyText() throws Exception {
    try (SecretBytes key = SecretBytes.random(32)) {
      byte[] text = MasterKeyText.format(key);
      assertTrue(
          new String(text, StandardCharsets.US_ASCII).matches("([0-9a-f]{8}-){7}[0-9a-f]{8}"));
      try (SecretBytes again = MasterKeyText.parse(text)) {
        assertTrue(again.matches(key));
      }
      text[3] = 'g';
      problem(Problem.MASTER_KEY_MALFORMED, () -> MasterKeyText.parse(text));
      byte[] shorter = java.util.Arrays.copyOf(MasterKeyText.format(key), 70);
      problem(Problem.MASTER_KEY_MALFORMED, () -> MasterKeyText.parse(shorter));
    }
  }

  private GocryptfsVolume create(GocryptfsOptions options, String password) throws VolumeException {
    try (SecretBytes secret = secret(password)) {
      return GocryptfsVolume.create(directory, null, false, options, secret, null);
    }
  }

  private GocryptfsVolume open(boolean reverse) throws VolumeException {
    return GocryptfsVolume.open(directory, reverse);
  }

  private List<String> names() throws Exception {
    try (var entries = Files.list(directory)) {
      return entries.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  private String permissions(String name) throws Exception {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve(name)));
  }

  private interface Attempt {
    @org.jspecify.annotations.Nullable
    Object run() throws Exception;
  }

  private static VolumeException problem(Problem problem, Attempt attempt) {
    VolumeException e = assertThrows(VolumeException.class, attempt::run);
    assertEquals(problem, e.problem(), e.getMessage());
    assertNotNull(e.getMessage());
    return e;
  }

  private static SecretBytes secret(String text) {
    return SecretBytes.take(text.getBytes(StandardCharsets.UTF_8));
  }
}
