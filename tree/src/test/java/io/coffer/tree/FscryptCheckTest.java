package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.NamesMode;
import io.coffer.keys.Argon2Cost;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.ProtectorKind;
import io.coffer.keys.ProtectorSecret;
import io.coffer.posix.ErrnoException;
import io.coffer.store.LocalStore;
import io.coffer.tree.Finding.Kind;
import io.coffer.tree.Finding.Severity;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The check of a volume with fscrypt policies")
class FscryptCheckTest {
  private static final String LONG = "tree/" + "l".repeat(200);
  private static final byte[] TEXT = "text ".repeat(2000).getBytes(UTF_8);

  @TempDir Path temporary;
  private PolicyTree tree;
  private final List<Finding> findings = new ArrayList<>();

  @BeforeEach
  void make() throws Exception {
    try (SecretBytes key = PolicyTree.key(1);
        var password = ProtectorSecret.passphrase(SecretBytes.copyOf(new byte[] {'p'}))) {
      FscryptVolume.empty(new Argon2Cost(8192, 1, 1))
          .withProtector(ProtectorKind.PASSPHRASE, "first", password, List.of(key))
          .create(temporary);
    }
    tree = new PolicyTree(temporary);
    tree.encrypted("tree", 1, NamesMode.AES_256_CTS);
    tree.write("tree/file", 0, TEXT);
    tree.write("plain", 0, TEXT);
    tree.makeDirectory("tree/empty");
    tree.makeDirectory("tree/below");
    tree.write("tree/below/file", 4096, TEXT);
    tree.write(LONG, 0, TEXT);
    tree.symlink("tree/link", "target");
  }

  @AfterEach
  void close() throws ErrnoException {
    tree.close();
  }

  private VolumeCheck.Summary check(boolean repair, FscryptMasterKey... keys) throws Exception {
    findings.clear();
    try (LocalStore store = LocalStore.open(temporary)) {
      return FscryptCheck.run(
          store,
          FscryptVolume.open(temporary),
          List.of(keys),
          repair,
          new VolumeCheck.Listener() {
            @Override
            public void found(Finding finding) {
              findings.add(finding);
            }

            @Override
            public void progress(long files, long bytes) {}
          });
    }
  }

  private Finding only() throws Exception {
    check(false);
    assertEquals(1, findings.size(), findings.toString());
    return findings.getFirst();
  }

  /** Finds only this, which repair does not mend. */
  private void assertFound(Severity severity, Kind kind) throws Exception {
    Finding finding = only();
    assertEquals(severity, finding.severity(), finding.toString());
    assertEquals(kind, finding.kind(), finding.toString());
    assertFalse(finding.repairable());
    check(true);
    assertEquals(1, findings.size());
    assertFalse(findings.getFirst().repaired());
  }

  /** Finds only this, mends it, and finds nothing afterwards. */
  private void assertMended(Severity severity, Kind kind) throws Exception {
    Finding finding = only();
    assertEquals(severity, finding.severity(), finding.toString());
    assertEquals(kind, finding.kind(), finding.toString());
    assertTrue(finding.repairable());
    check(true);
    assertEquals(1, findings.size());
    assertTrue(findings.getFirst().repaired(), findings.toString());
    VolumeCheck.Summary after = check(false);
    assertEquals(List.of(), findings);
    assertTrue(after.isClean());
  }

  private static UserDefinedFileAttributeView attributes(Path path) {
    return Files.getFileAttributeView(
        path, UserDefinedFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
  }

  private static void set(Path path, String name, byte[] value) throws IOException {
    attributes(path).write(name, ByteBuffer.wrap(value));
  }

  private static byte[] get(Path path, String name) throws IOException {
    ByteBuffer value = ByteBuffer.allocate(attributes(path).size(name));
    attributes(path).read(name, value);
    return value.array();
  }

  private static void append(Path path, int bytes) throws IOException {
    Files.write(path, new byte[bytes], StandardOpenOption.APPEND);
  }

  private static void cut(Path path, long size) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
      channel.truncate(size);
    }
  }

  @Test
  void findsNothingInASoundOneWithKeysAndWithout() throws Exception {
    VolumeCheck.Summary summary = check(false);
    assertEquals(List.of(), findings);
    assertEquals(4, summary.directories());
    assertEquals(4, summary.files());
    assertEquals(1, summary.symlinks());
    try (FscryptMasterKey key = PolicyTree.masterKey(1)) {
      assertTrue(check(true, key).isClean());
    }
    assertEquals(List.of(), findings);
  }

  @Test
  void tellsPlainNamesToWhoHasTheKey() throws Exception {
    attributes(tree.stored("tree/below/file")).delete("fscrypt.auth");
    try (FscryptMasterKey key = PolicyTree.masterKey(1)) {
      check(false, key);
      assertEquals("tree/below/file", findings.getFirst().plainPath());
    }
    check(false);
    assertEquals(null, findings.getFirst().plainPath());
    assertEquals(
        temporary.relativize(tree.stored("tree/below/file")).toString(),
        findings.getFirst().storedPath());
  }

  @Test
  void findsAFileWithoutItsContext() throws Exception {
    attributes(tree.stored("tree/file")).delete("fscrypt.auth");
    assertFound(Severity.ERROR, Kind.MISSING_CONTEXT);
  }

  @Test
  void findsADamagedContext() throws Exception {
    Path file = tree.stored("tree/file");
    byte[] context = get(file, "fscrypt.auth");
    context[8] = 9;
    set(file, "fscrypt.auth", context);
    assertFound(Severity.ERROR, Kind.DAMAGED_CONTEXT);
  }

  @Test
  void findsWhatLiesUnderAForeignPolicy() throws Exception {
    tree.encrypted("other", 1, NamesMode.AES_256_HCTR2);
    tree.write("other/file", 0, TEXT);
    Path file = tree.stored("other/file");
    Files.move(file, tree.stored("tree").resolve(file.getFileName()));
    assertFound(Severity.ERROR, Kind.FOREIGN_POLICY);
  }

  @Test
  void findsATreeWhoseKeyNoProtectorOpens() throws Exception {
    tree.encrypted("other", 2, NamesMode.AES_256_CTS);
    tree.makeDirectory("other/below");
    assertFound(Severity.NOTE, Kind.UNKNOWN_KEY);
  }

  @Test
  void givesAnEmptyDirectoryANewContext() throws Exception {
    attributes(tree.stored("tree/empty")).delete("fscrypt.auth");
    assertMended(Severity.NOTE, Kind.MISSING_CONTEXT);
    tree.close();
    tree = new PolicyTree(temporary);
    tree.unlock(1);
    tree.write("tree/empty/file", 0, TEXT);
    assertArrayEquals(TEXT, tree.read("tree/empty/file"));
  }

  @Test
  void leavesADirectoryWithEntriesAsItIs() throws Exception {
    attributes(tree.stored("tree/below")).delete("fscrypt.auth");
    assertFound(Severity.ERROR, Kind.MISSING_CONTEXT);
  }

  @Test
  void cutsOffWhatAProgramThatKnowsNothingHasAdded() throws Exception {
    append(tree.stored("tree/file"), 5000);
    assertMended(Severity.ERROR, Kind.STRAY_CONTENTS);
    assertArrayEquals(TEXT, tree.read("tree/file"));
    assertEquals(12288, Files.size(tree.stored("tree/file")));
  }

  @Test
  void keepsWhatIsLeftOfAFileThatWasCut() throws Exception {
    Path file = tree.stored("tree/file");
    cut(file, 5003);
    assertThrows(ErrnoException.class, () -> tree.read("tree/file"));
    assertMended(Severity.ERROR, Kind.CUT_CONTENTS);
    // 5003 bytes are 312 whole blocks of the cipher.
    assertArrayEquals(Arrays.copyOf(TEXT, 4992), tree.read("tree/file"));
  }

  @Test
  void makesUpForALostSize() throws Exception {
    attributes(tree.stored("tree/file")).delete("fscrypt.file");
    assertMended(Severity.ERROR, Kind.DAMAGED_SIZE);
    byte[] read = tree.read("tree/file");
    assertArrayEquals(TEXT, Arrays.copyOf(read, TEXT.length));
    assertEquals(12288, read.length);
  }

  @Test
  void findsNamesThatNobodyShows() throws Exception {
    Path directory = tree.stored("tree");
    Files.writeString(directory.resolve("plain-name.txt"), "x");
    assertFound(Severity.ERROR, Kind.DAMAGED_NAME);
  }

  @Test
  void findsALongNameWithoutItsFile() throws Exception {
    Path stored = tree.stored(LONG);
    Files.delete(stored.resolveSibling(stored.getFileName() + ".name"));
    assertFound(Severity.ERROR, Kind.MISSING_SIDECAR);
  }

  @Test
  void removesWhatACrashHasLeft() throws Exception {
    Path stored = tree.stored(LONG);
    Files.delete(stored);
    assertMended(Severity.NOTE, Kind.ORPHANED_SIDECAR);
    Files.writeString(tree.stored("tree").resolve(".coffer-tmp.0123456789abcdef"), "x");
    assertMended(Severity.NOTE, Kind.LEFTOVER_TEMPORARY);
    Files.writeString(temporary.resolve(".coffer-tmp.0123456789abcdef"), "x");
    assertMended(Severity.NOTE, Kind.LEFTOVER_TEMPORARY);
    Files.writeString(temporary.resolve("coffer-fscrypt.json.tmp"), "x");
    assertMended(Severity.NOTE, Kind.LEFTOVER_TEMPORARY);
  }

  @Test
  void findsALinkWhoseTargetIsNone() throws Exception {
    Path link = tree.stored("tree/link");
    Files.delete(link);
    Files.createSymbolicLink(link, Path.of("elsewhere"));
    assertFound(Severity.ERROR, Kind.DAMAGED_SYMLINK);
  }
}
