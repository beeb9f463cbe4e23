package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * The program fscrypt on an ext4 of its own, and Coffer. A key's identifier is computed from the
 * key, by the kernel and by us: where the same identifier comes out, the key is the same.
 */
@DisplayName("The program fscrypt and Coffer")
class FscryptToolTest {
  private final Area area = Area.onDisk();
  private Path disk = Path.of("/");
  private Path volume = Path.of("/");
  private Path password = Path.of("/");

  @BeforeEach
  void prepare() throws IOException {
    Tools.needRoot();
    Tools.need("fscrypt", "mkfs.ext4", "losetup", "unshare");
    Path image = area.path().resolve("image");
    disk = area.directory("disk");
    Command.of("truncate", "-s", "32M", image).ok();
    Command.of("mkfs.ext4", "-q", "-m", "0", "-O", "encrypt", image).ok();
    if (Command.of("mount", "-o", "loop", image, disk).run().exit() != 0) {
      Tools.skip("no loop device can be mounted here, or no ext4 with encryption");
    }
    // An /etc of its own, so that nothing of the machine's changes.
    Path etc = area.directory("etc");
    for (String each : List.of("passwd", "group", "nsswitch.conf")) {
      if (Files.exists(Path.of("/etc", each))) {
        Files.copy(Path.of("/etc", each), etc.resolve(each));
      }
    }
    Files.writeString(
        etc.resolve("fscrypt.conf"),
        """
        {"source": "custom_passphrase",
         "hash_costs": {"time": "1", "memory": "8192", "parallelism": "2", "truncation_fixed": true},
         "options": {"padding": "32", "contents": "AES_256_XTS", "filenames": "AES_256_CTS",
                     "policy_version": "2"},
         "use_fs_keyring_for_v1_policies": false, "allow_cross_user_metadata": false}
        """);
    password = area.file("password", "correct horse\n");
    if (fscrypt("setup " + disk + " --quiet").run().exit() != 0) {
      Tools.skip("fscrypt cannot set up a file system here: its kernel may have no encryption");
    }
    volume = area.directory("volume");
    Path first = area.file("first", "first\n");
    Command.coffer("init", "--format", "fscrypt", "--argon2-memory", 8, "--argon2-passes", 1)
        .and("--password-file", first, volume)
        .ok();
  }

  @AfterEach
  void close() {
    area.close();
  }

  private Command fscrypt(String arguments) {
    String etc = area.path().resolve("etc").toString();
    return Command.of("unshare", "-m", "sh", "-c")
        .and("mount --bind '" + etc + "' /etc && exec fscrypt " + arguments);
  }

  @Test
  void theKeyOfADirectoryThatItSetUpIsGivenByTheSamePassphrase() throws IOException {
    Path directory = Files.createDirectory(disk.resolve("directory"));
    fscrypt("encrypt " + directory + " --source=custom_passphrase --name=laptop --quiet")
        .stdin("correct horse\n")
        .ok();
    Command.coffer("protector", "from-fscrypt", "--password-file", password, volume, disk).ok();
    String listed = Command.coffer("protector", "list", volume).ok().out();
    assertTrue(listed.contains("laptop"), listed);
    List<String> policies;
    try (var files = Files.list(disk.resolve(".fscrypt/policies"))) {
      policies = files.map(file -> file.getFileName().toString()).toList();
    }
    assertEquals(1, policies.size());
    assertTrue(listed.contains("opens " + policies.getFirst()), listed);
    int wrong =
        Command.coffer("protector", "from-fscrypt", "--name", "x", "--password-file")
            .and(area.file("wrong", "wrong\n"), volume, disk)
            .run()
            .exit();
    assertEquals(12, wrong);
  }

  @Test
  void aDirectoryIsEncryptedAndUnlockedByItWithAKeyOfOurs() throws IOException {
    Path first = area.path().resolve("first");
    String told =
        Command.coffer("protector", "to-fscrypt", "--password-file", first, volume, disk)
            .ok()
            .err();
    String arguments = told.substring(told.indexOf("--policy=")).strip();
    Path directory = Files.createDirectory(disk.resolve("directory"));
    fscrypt("encrypt " + directory + " " + arguments + " --quiet").stdin("first\n").ok();
    Files.writeString(directory.resolve("file"), "text");
    fscrypt("lock " + directory + " --quiet").ok();
    assertEquals(false, Files.exists(directory.resolve("file")));
    fscrypt("unlock " + directory + " --quiet").stdin("first\n").ok();
    assertEquals("text", Files.readString(directory.resolve("file")));
    fscrypt("lock " + directory + " --quiet").ok();
  }
}
