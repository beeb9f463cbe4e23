package io.coffer.format.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.BlockException;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Volumes that gocryptfs wrote")
class SampleVolumesTest {
  private static final byte[] ZERO_IV = new byte[0];

  @ParameterizedTest
  @DisplayName("open with their password to the master key that is known")
  @CsvSource({
    "v0.9, 1cafe3f4-bc316466-2214c47c-ecd89bf3-4e078fe4-f5faeea7-8b7cab02-884f5e1c",
    "v1.1-aessiv, eaf371c3-f9a55336-8819f22b-7bccd7c2-a738cf61-7261c658-14c28a03-9428992b",
    "v1.1-reverse, 68b51855-042abd80-635ae1ba-90152a78-2ec2d243-832ac72a-eab0561a-f2d37913",
    "v1.3, fd890dab-86bf61cf-ec5ad460-ad3ed01f-9c52d546-2a31783d-a56b088d-3d05232e",
    "v2.2-deterministic-names,"
        + " 722733f5-b0f399f5-5465ad7a-f0bed125-e82de7b4-045e7608-a5e5c78e-04a1a61e",
    "v2.2-xchacha, 44670e7e-32475bfc-bdfb8a8c-be17a767-0679cac0-be705d8c-af41c411-28c40f26"
  })
  void openToTheKnownMasterKey(String volume, String masterKey) throws Exception {
    GocryptfsConfig config = config(SampleVolumes.directory(volume));
    try (SecretBytes opened = unlock(config)) {
      byte[] expected = HexFormat.of().parseHex(masterKey.replace("-", ""));
      opened.read(bytes -> {
        assertArrayEquals(expected, bytes);
        return null;
      });
    }
    try (SecretBytes wrong = SecretBytes.copyOf("Test".getBytes(StandardCharsets.UTF_8))) {
      assertNull(config.unlock(wrong));
    }
  }

  @ParameterizedTest
  @DisplayName("give back every name, target and content")
  @CsvSource({"v0.9", "v1.1-aessiv", "v1.3", "v2.2-deterministic-names", "v2.2-xchacha"})
  void giveBackEverything(String volume) throws Exception {
    String longName = "longname_255_" + "x".repeat(255 - "longname_255_".length());
    assertEquals(
        Map.of(
            "abs",
            "-> /a/b/c/d",
            "rel",
            "-> status.txt",
            "status.txt",
            "It works!\n",
            longName,
            "It works!\n"),
        decryptRoot(SampleVolumes.directory(volume)));
  }

  @Test
  @DisplayName("are refused by name if they are of version 0.6")
  void refuseTooOld() {
    Path directory = SampleVolumes.directory("v0.6");
    ConfigException refused = assertThrows(ConfigException.class, () -> config(directory));
    assertEquals(ConfigException.Reason.DEPRECATED, refused.reason());
  }

  @Test
  @DisplayName("yield nothing if their keys were not derived by HKDF as the flag says")
  void refuseContentWithoutHkdf() throws Exception {
    Path directory = SampleVolumes.directory("broken/broken_content");
    try (SecretBytes masterKey = unlock(config(directory));
        GocryptfsFormat format = new GocryptfsFormat(config(directory), masterKey, true)) {
      assertThrows(BlockException.class, () -> content(format, directory.resolve("status.txt")));
    }
  }

  @Test
  @DisplayName("show an entry under one name only, whatever its base64 decodes to")
  void refuseMalleableNames() throws Exception {
    Path directory = SampleVolumes.directory("broken/malleable_base64");
    GocryptfsConfig config = config(directory);
    try (SecretBytes masterKey = unlock(config);
        GocryptfsFormat format = new GocryptfsFormat(config, masterKey, true)) {
      NameCodec names = format.names(Files.readAllBytes(directory.resolve("gocryptfs.diriv")));
      assertNotNull(names.decode(ascii("27AG8t-XZH7G9ou2OSD_zg")));
      assertThrows(FormatException.class, () -> names.decode(ascii("27AG8t-XZH7G9ou2OSD_zh")));
    }
  }

  private static Map<String, String> decryptRoot(Path directory) throws Exception {
    GocryptfsConfig config = config(directory);
    Map<String, String> entries = new TreeMap<>();
    try (SecretBytes masterKey = unlock(config);
        GocryptfsFormat format = new GocryptfsFormat(config, masterKey, true)) {
      byte[] contextName = format.directoryContextName();
      byte[] context =
          contextName == null
              ? ZERO_IV
              : Files.readAllBytes(
                  directory.resolve(new String(contextName, StandardCharsets.US_ASCII)));
      NameCodec names = format.names(context);
      for (Path path : list(directory)) {
        byte[] stored = ascii(path.getFileName().toString());
        if (format.isReservedInRoot(stored) || names.kindOf(stored) == EntryKind.INTERNAL) {
          continue;
        }
        byte[] plain =
            names.kindOf(stored) == EntryKind.PLAIN
                ? names.decode(stored)
                : names.decodeLong(
                    stored,
                    Files.readAllBytes(
                        directory.resolve(
                            new String(names.sidecarOf(stored), StandardCharsets.US_ASCII))));
        assertArrayEquals(stored, names.encode(plain).name());
        String name = new String(plain, StandardCharsets.UTF_8);
        entries.put(name, value(format, name, path));
      }
    }
    return entries;
  }

  /** Where the volumes were copied without links, a link is a file that holds its target. */
  private static String value(GocryptfsFormat format, String name, Path path) throws Exception {
    if (Files.isSymbolicLink(path)) {
      return "-> " + text(format.openSymlink(ascii(Files.readSymbolicLink(path).toString())));
    }
    if (name.equals("abs") || name.equals("rel")) {
      return "-> " + text(format.openSymlink(Files.readAllBytes(path)));
    }
    return content(format, path);
  }

  private static String text(byte[] utf8) {
    return new String(utf8, StandardCharsets.UTF_8);
  }

  private static String content(GocryptfsFormat format, Path path) throws Exception {
    byte[] file = Files.readAllBytes(path);
    byte[] header = java.util.Arrays.copyOf(file, format.layout().headerBytes());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stored = arena.allocateFrom(ValueLayout.JAVA_BYTE, file);
      MemorySegment plain = arena.allocate(file.length);
      int bytes =
          format
              .contents(header)
              .open(0, stored, header.length, file.length - header.length, plain, 0);
      assertEquals(format.layout().plainSize(file.length), bytes);
      return new String(
          plain.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }
  }

  private static GocryptfsConfig config(Path directory) throws Exception {
    Path forward = directory.resolve(GocryptfsConfig.FILE_NAME);
    Path reverse = directory.resolve(GocryptfsConfig.REVERSE_FILE_NAME);
    return GocryptfsConfig.parse(Files.readAllBytes(Files.exists(forward) ? forward : reverse));
  }

  private static SecretBytes unlock(GocryptfsConfig config) {
    try (SecretBytes password =
        SecretBytes.copyOf(SampleVolumes.PASSWORD.getBytes(StandardCharsets.UTF_8))) {
      SecretBytes masterKey = config.unlock(password);
      assertNotNull(masterKey, "the password was refused");
      return masterKey;
    }
  }

  private static List<Path> list(Path directory) throws IOException {
    List<Path> entries = new ArrayList<>();
    try (var stream = Files.newDirectoryStream(directory)) {
      stream.forEach(entries::add);
    }
    return entries;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
