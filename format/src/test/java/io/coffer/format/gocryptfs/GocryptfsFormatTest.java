package io.coffer.format.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.NameCodec.StoredName;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("The gocryptfs format")
class GocryptfsFormatTest {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  private final SecretBytes masterKey = SecretBytes.random(32);
  private final Random random = new Random(17);
  private Arena arena = Arena.ofConfined();

  @BeforeEach
  void openArena() {
    arena = Arena.ofConfined();
  }

  @AfterEach
  void close() {
    arena.close();
    masterKey.close();
  }

  @ParameterizedTest
  @DisplayName("derives keys by HKDF as gocryptfs's own test has them")
  @CsvSource({
    "00, EME filename encryption, 9ba3cddd48c6339c6e56ebe85f0281d6e9051be4104176e65cb0f8a6f77ae6b4",
    "01, EME filename encryption, e8a2499f48700b954f31de732efd04abce822f5c948e7fbc0896607be0d36d12",
    "01, AES-GCM file content encryption,"
        + " 9137f2e67a842484137f3c458f357f204c30d7458f94f432fa989be96854a649",
    "01, AES-SIV file content encryption,"
        + " 0bfa5da7d9724d4753269940d36898e2c0f3717c0fee86ada58b5fd6c08cc26c"
  })
  void derivesKeys(String masterByte, String purpose, String key) {
    byte[] master = HexFormat.of().parseHex(masterByte.repeat(32));
    assertEquals(key, HexFormat.of().formatHex(GocryptfsKeys.derive(master, purpose, 32)));
  }

  @Nested
  @DisplayName("of contents")
  class OfContents {
    @ParameterizedTest
    @DisplayName("has the sizes that gocryptfs gives files")
    @CsvSource({
      "AES_GCM, 0, 0",
      "AES_GCM, 1, 51",
      "AES_GCM, 23, 73",
      "AES_GCM, 4096, 4146",
      "AES_GCM, 4097, 4179",
      "AES_GCM, 5000, 5082",
      "AES_SIV, 5000, 5082",
      "XCHACHA20_POLY1305, 0, 0",
      "XCHACHA20_POLY1305, 1, 59",
      "XCHACHA20_POLY1305, 5000, 5098"
    })
    void hasKnownSizes(GocryptfsCipher cipher, long plain, long stored) {
      try (GocryptfsFormat format = format(options(cipher))) {
        assertEquals(stored, format.layout().storedSize(plain));
        assertEquals(plain, format.layout().plainSize(stored));
      }
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("opens what it sealed, whatever the length and the first block")
    void opensWhatItSealed(GocryptfsCipher cipher) throws Exception {
      try (GocryptfsFormat format = format(options(cipher))) {
        ContentLayout layout = format.layout();
        byte[] header = format.newFileHeader();
        for (int length :
            new int[] {1, 4095, 4096, 4097, 70_000, 1 << 20, random.nextInt(1 << 20)}) {
          long first = length % 3 == 0 ? 0 : random.nextLong(1L << 50);
          MemorySegment plain = random(length);
          MemorySegment stored = arena.allocate(layout.storedSize(length) + 7);
          int storedBytes = format.contents(header).seal(first, plain, 0, length, stored, 7);
          assertEquals(layout.storedSize(length) - layout.headerBytes(), storedBytes);
          MemorySegment opened = arena.allocate(length + 9L);
          // Another cipher object of the same file.
          int bytes = format.contents(header).open(first, stored, 7, storedBytes, opened, 9);
          assertEquals(length, bytes);
          assertEquals(-1, plain.mismatch(opened.asSlice(9)));
        }
      }
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("refuses a block with any bit flipped, and delivers those before it")
    void refusesFlippedBits(GocryptfsCipher cipher) throws Exception {
      try (GocryptfsFormat format = format(options(cipher))) {
        ContentCipher contents = format.contents(format.newFileHeader());
        MemorySegment plain = random(4096 + 20);
        MemorySegment stored = arena.allocate(10_000);
        int bytes = contents.seal(3, plain, 0, 4096 + 20, stored, 0);
        int last = format.layout().storedBlockBytes();
        for (int bit = 8 * last; bit < 8 * bytes; bit++) {
          flip(stored, bit);
          MemorySegment opened = arena.allocate(2 * 4096);
          BlockException e =
              assertThrows(
                  BlockException.class, () -> contents.open(3, stored, 0, bytes, opened, 0));
          flip(stored, bit);
          assertEquals(4, e.block());
          assertEquals(4096, e.plainBytesBefore());
          assertEquals(-1, plain.asSlice(0, 4096).mismatch(opened.asSlice(0, 4096)));
          assertEquals(0, opened.get(BYTE, 4096));
        }
      }
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("refuses a block cut short, in another place, or of another file")
    void refusesWhatDoesNotBelong(GocryptfsCipher cipher) throws Exception {
      try (GocryptfsFormat format = format(options(cipher))) {
        ContentCipher contents = format.contents(format.newFileHeader());
        ContentCipher other = format.contents(format.newFileHeader());
        MemorySegment stored = arena.allocate(8192);
        MemorySegment opened = arena.allocate(8192);
        int bytes = contents.seal(0, random(100), 0, 100, stored, 0);
        for (int cut = 1; cut < bytes; cut++) {
          int length = cut;
          assertThrows(BlockException.class, () -> contents.open(0, stored, 0, length, opened, 0));
        }
        assertThrows(BlockException.class, () -> contents.open(1, stored, 0, bytes, opened, 0));
        assertThrows(BlockException.class, () -> other.open(0, stored, 0, bytes, opened, 0));
        assertEquals(100, contents.open(0, stored, 0, bytes, opened, 0));
      }
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("reads a full block of zeros as a hole, and no shorter one")
    void readsHoles(GocryptfsCipher cipher) throws Exception {
      try (GocryptfsFormat format = format(options(cipher))) {
        ContentCipher contents = format.contents(format.newFileHeader());
        int storedBlock = format.layout().storedBlockBytes();
        MemorySegment stored = arena.allocate(3L * storedBlock);
        MemorySegment plain = random(4096);
        contents.seal(1, plain, 0, 4096, stored, storedBlock);
        MemorySegment opened = random(3 * 4096);
        assertEquals(3 * 4096, contents.open(0, stored, 0, 3 * storedBlock, opened, 0));
        assertTrue(isZero(opened.asSlice(0, 4096)));
        assertEquals(-1, plain.mismatch(opened.asSlice(4096, 4096)));
        assertTrue(isZero(opened.asSlice(8192, 4096)));
        MemorySegment zeros = arena.allocate(storedBlock);
        assertThrows(
            BlockException.class, () -> contents.open(0, zeros, 0, storedBlock - 1, opened, 0));
        // The last byte alone makes it a block, whose nonce is zero.
        zeros.set(BYTE, storedBlock - 1L, (byte) 1);
        assertThrows(
            BlockException.class, () -> contents.open(0, zeros, 0, storedBlock, opened, 0));
      }
    }

    @Test
    @DisplayName("never uses a nonce twice")
    void usesFreshNonces() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        ContentCipher contents = format.contents(format.newFileHeader());
        MemorySegment plain = arena.allocate(2 * 4096);
        MemorySegment first = arena.allocate(2 * 4128);
        MemorySegment second = arena.allocate(2 * 4128);
        contents.seal(0, plain, 0, 2 * 4096, first, 0);
        contents.seal(0, plain, 0, 2 * 4096, second, 0);
        assertTrue(first.mismatch(second) < 16);
        assertTrue(first.asSlice(0, 16).mismatch(first.asSlice(4128, 16)) < 16);
      }
    }

    @Test
    @DisplayName("refuses a header of another version, length, or with an id of zeros")
    void refusesBadHeaders() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        byte[] header = format.newFileHeader();
        assertEquals(18, header.length);
        assertEquals(0, header[0]);
        assertEquals(2, header[1]);
        format.contents(header);
        for (int i : new int[] {0, 1}) {
          byte[] other = header.clone();
          other[i] ^= 1;
          assertThrows(FormatException.class, () -> format.contents(other));
        }
        assertThrows(FormatException.class, () -> format.contents(Arrays.copyOf(header, 17)));
        assertThrows(FormatException.class, () -> format.contents(Arrays.copyOf(header, 19)));
        byte[] zeroId = Arrays.copyOf(Arrays.copyOf(header, 2), 18);
        assertThrows(FormatException.class, () -> format.contents(zeroId));
        FormatException blank =
            assertThrows(FormatException.class, () -> format.contents(new byte[18]));
        assertTrue(String.valueOf(blank.getMessage()).contains("not synced"));
      }
    }
  }

  @Nested
  @DisplayName("of names")
  class OfNames {
    @ParameterizedTest
    @ValueSource(ints = {62, 63, 100, 176, 255})
    @DisplayName("decodes every name it encoded, long ones by their sidecar")
    void decodesWhatItEncoded(int longNameMax) throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT.withLongNameMax(longNameMax))) {
        NameCodec names = format.names(format.newDirectoryContext());
        for (int length = 1; length <= 255; length++) {
          byte[] plain = name(length);
          StoredName stored = names.encode(plain);
          assertTrue(stored.name().length <= 255);
          if (stored.isLong()) {
            byte[] sidecar = Objects.requireNonNull(stored.sidecarContent());
            assertTrue(sidecar.length > longNameMax && sidecar.length <= 344);
            assertEquals(EntryKind.LONG, names.kindOf(stored.name()));
            assertArrayEquals(stored.sidecarName(), names.sidecarOf(stored.name()));
            assertEquals(EntryKind.INTERNAL, names.kindOf(names.sidecarOf(stored.name())));
            assertArrayEquals(plain, names.decodeLong(stored.name(), sidecar));
          } else {
            assertTrue(stored.name().length <= longNameMax);
            assertEquals(EntryKind.PLAIN, names.kindOf(stored.name()));
            assertArrayEquals(plain, names.decode(stored.name()));
          }
        }
      }
    }

    @Test
    @DisplayName("encodes alike in one directory and differently in another")
    void dependsOnTheDirectory() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT);
          GocryptfsFormat deterministic =
              format(GocryptfsOptions.DEFAULT.withDeterministicNames(true))) {
        byte[] context = format.newDirectoryContext();
        byte[] name = ascii("name");
        byte[] stored = format.names(context).encode(name).name();
        assertArrayEquals(stored, format.names(context).encode(name).name());
        NameCodec elsewhere = format.names(format.newDirectoryContext());
        assertFalse(Arrays.equals(stored, elsewhere.encode(name).name()));
        // One in 256 of such names has a valid padding by chance, and says something else.
        int refused = 0;
        for (int i = 0; i < 20; i++) {
          try {
            byte[] decoded = format.names(format.newDirectoryContext()).decode(stored);
            assertFalse(Arrays.equals(name, decoded));
          } catch (FormatException e) {
            refused++;
          }
        }
        assertTrue(refused > 10, refused + " of 20 refused");
        assertArrayEquals(ascii("gocryptfs.diriv"), format.directoryContextName());
        assertNull(deterministic.directoryContextName());
        assertEquals(0, deterministic.newDirectoryContext().length);
      }
    }

    @Test
    @DisplayName("refuses a directory's IV that is short, long or all zero")
    void refusesBadContexts() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        for (int length : new int[] {0, 15, 17}) {
          assertThrows(FormatException.class, () -> format.names(RandomBytes.of(length)));
        }
        assertThrows(FormatException.class, () -> format.names(new byte[16]));
      }
    }

    @Test
    @DisplayName("refuses stored names that it would not have made")
    void refusesForeignNames() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        NameCodec names = format.names(format.newDirectoryContext());
        byte[] stored = names.encode(ascii("name")).name();
        String text = new String(stored, StandardCharsets.US_ASCII);
        for (String other :
            List.of(
                "",
                text + "=",
                text + "==",
                text + "\n",
                text + "\r",
                "\n" + text,
                text.substring(0, 21),
                text.substring(0, 4),
                text.replace(text.charAt(5), '+'),
                "lost+found")) {
          assertThrows(FormatException.class, () -> names.decode(ascii(other)), other);
        }
        for (int bit = 0; bit < 8 * stored.length; bit++) {
          byte[] forged = stored.clone();
          forged[bit / 8] ^= (byte) (1 << bit % 8);
          try {
            // One in 255 forgeries looks padded; then it is another name, never the same.
            assertFalse(Arrays.equals(ascii("name"), names.decode(forged)));
          } catch (FormatException e) {
            assertTrue(e.getMessage() != null);
          }
        }
      }
    }

    @Test
    @DisplayName("refuses names that decrypt to what no file may be called")
    void refusesImpossibleNames() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        NameCodec names = format.names(format.newDirectoryContext());
        for (String impossible : List.of(".", "..", "a/b", "../etc", "nul\0")) {
          byte[] stored = names.encode(ascii(impossible)).name();
          assertThrows(FormatException.class, () -> names.decode(stored), impossible);
        }
        byte[] tooLong = new byte[256];
        Arrays.fill(tooLong, (byte) 'x');
        assertThrows(FormatException.class, () -> names.encode(tooLong));
      }
    }

    @Test
    @DisplayName("refuses a sidecar that belongs to another name")
    void refusesForeignSidecars() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        NameCodec names = format.names(format.newDirectoryContext());
        StoredName one = names.encode(name(200));
        StoredName other = names.encode(name(200));
        byte[] foreign = Objects.requireNonNull(other.sidecarContent());
        assertThrows(FormatException.class, () -> names.decodeLong(one.name(), foreign));
        byte[] empty = {};
        assertThrows(FormatException.class, () -> names.decodeLong(one.name(), empty));
      }
    }

    @Test
    @DisplayName("refuses a name stored in full or by its hash where it should be the other way")
    void refusesTheOtherForm() throws Exception {
      GocryptfsOptions options = GocryptfsOptions.DEFAULT.withDeterministicNames(true);
      try (GocryptfsFormat longer = format(options);
          GocryptfsFormat shorter = format(options.withLongNameMax(100))) {
        byte[] name = name(100);
        byte[] context = {};
        StoredName full = longer.names(context).encode(name);
        StoredName hashed = shorter.names(context).encode(name);
        byte[] sidecar = Objects.requireNonNull(hashed.sidecarContent());
        assertArrayEquals(full.name(), sidecar);
        assertThrows(FormatException.class, () -> shorter.names(context).decode(full.name()));
        assertThrows(
            FormatException.class, () -> longer.names(context).decodeLong(hashed.name(), sidecar));
      }
    }

    @Test
    @DisplayName("without long names refuses what becomes too long")
    void canDoWithoutLongNames() throws Exception {
      GocryptfsConfig config = config(GocryptfsOptions.DEFAULT.withLongNameMax(100));
      try (GocryptfsFormat format = new GocryptfsFormat(config, masterKey, false)) {
        NameCodec names = format.names(format.newDirectoryContext());
        byte[] name = name(175);
        assertArrayEquals(name, names.decode(names.encode(name).name()));
        assertThrows(FormatException.class, () -> names.encode(name(176)));
      }
    }

    @Test
    @DisplayName("knows its own entries, and temporary ones among them")
    void knowsItsOwnEntries() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        NameCodec names = format.names(format.newDirectoryContext());
        byte[] temporary = names.newTemporaryName();
        assertTrue(names.isTemporary(temporary));
        assertFalse(Arrays.equals(temporary, names.newTemporaryName()));
        assertEquals(EntryKind.INTERNAL, names.kindOf(temporary));
        byte[] removed = ascii("gocryptfs.diriv.rmdir.1234567890");
        assertEquals(EntryKind.INTERNAL, names.kindOf(removed));
        assertTrue(names.isTemporary(removed));
        assertEquals(EntryKind.INTERNAL, names.kindOf(ascii("gocryptfs.diriv")));
        assertFalse(names.isTemporary(ascii("gocryptfs.diriv")));
        byte[] sidecar = names.encode(name(200)).sidecarName();
        assertFalse(names.isTemporary(Objects.requireNonNull(sidecar)));
        assertTrue(format.isReservedInRoot(ascii("gocryptfs.conf")));
        assertFalse(format.isReservedInRoot(ascii("gocryptfs.diriv")));
        assertFalse(format.isForbiddenInRoot(ascii("gocryptfs.conf")));
      }
    }

    @Test
    @DisplayName("leaves plain names as they are, but for the configuration's")
    void leavesPlainNames() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT.withPlaintextNames(true))) {
        assertNull(format.directoryContextName());
        NameCodec names = format.names(format.newDirectoryContext());
        byte[] name = ascii("gocryptfs.longname.is just a name");
        assertArrayEquals(name, names.encode(name).name());
        assertEquals(EntryKind.PLAIN, names.kindOf(name));
        assertArrayEquals(name, names.decode(name));
        assertTrue(format.isForbiddenInRoot(ascii("gocryptfs.conf")));
        assertTrue(format.isReservedInRoot(ascii("gocryptfs.conf")));
        byte[] temporary = names.newTemporaryName();
        assertEquals(EntryKind.INTERNAL, names.kindOf(temporary));
        assertThrows(FormatException.class, () -> names.encode(temporary));
        assertArrayEquals(ascii("target"), format.sealSymlink(ascii("target")));
      }
    }
  }

  @Nested
  @DisplayName("of links and attributes")
  class OfLinksAndAttributes {
    @ParameterizedTest
    @EnumSource
    @DisplayName("opens what it sealed and refuses any flipped bit")
    void opensWhatItSealed(GocryptfsCipher cipher) throws Exception {
      try (GocryptfsFormat format = format(options(cipher))) {
        byte[] target = ascii("../some/where");
        byte[] link = format.sealSymlink(target);
        assertArrayEquals(target, format.openSymlink(link));
        byte[] value = format.sealXattrValue(target);
        assertEquals(target.length + format.layout().overheadBytes(), value.length);
        assertArrayEquals(target, format.openXattrValue(value));
        for (int bit = 0; bit < 8 * value.length; bit++) {
          byte[] forged = value.clone();
          forged[bit / 8] ^= (byte) (1 << bit % 8);
          assertThrows(FormatException.class, () -> format.openXattrValue(forged));
        }
        for (int bit = 0; bit < 8 * link.length; bit++) {
          byte[] forged = link.clone();
          forged[bit / 8] ^= (byte) (1 << bit % 8);
          assertThrows(FormatException.class, () -> format.openSymlink(forged));
        }
        assertEquals(0, format.sealXattrValue(new byte[0]).length);
        assertEquals(0, format.openXattrValue(new byte[0]).length);
      }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("hides names of attributes but those of ACLs, also where file names are plain")
    void hidesAttributeNames(boolean plaintextNames) {
      GocryptfsOptions options = GocryptfsOptions.DEFAULT.withPlaintextNames(plaintextNames);
      try (GocryptfsFormat format = format(options)) {
        for (String name : List.of("user.a", "trusted.overlay.opaque", "security.capability")) {
          byte[] stored = Objects.requireNonNull(format.sealXattrName(ascii(name)));
          String text = new String(stored, StandardCharsets.US_ASCII);
          assertTrue(text.startsWith("user.gocryptfs."), text);
          assertEquals(plaintextNames, text.endsWith("="), text);
          assertArrayEquals(stored, format.sealXattrName(ascii(name)));
          assertArrayEquals(ascii(name), format.openXattrName(stored));
        }
        for (String acl : List.of("system.posix_acl_access", "system.posix_acl_default")) {
          assertNull(format.sealXattrName(ascii(acl)));
          assertArrayEquals(ascii(acl), format.openXattrName(ascii(acl)));
        }
        for (String foreign : List.of("user.a", "user.gocryptfs.", "user.gocryptfs.AAAA")) {
          assertNull(format.openXattrName(ascii(foreign)), foreign);
        }
      }
    }

    @Test
    @DisplayName("opens values that early versions stored in base64")
    void opensOldValues() throws Exception {
      try (GocryptfsFormat format = format(GocryptfsOptions.DEFAULT)) {
        byte[] value = format.sealXattrValue(ascii("value"));
        byte[] text = java.util.Base64.getUrlEncoder().withoutPadding().encode(value);
        assertArrayEquals(ascii("value"), format.openXattrValue(text));
      }
    }
  }

  @Nested
  @DisplayName("of configurations")
  class OfConfigurations {
    @Test
    @DisplayName("is written as gocryptfs writes it, byte for byte")
    void isWrittenByteForByte() throws Exception {
      String json =
          """
          {
          \t"Creator": "gocryptfs v2.5 \\u003ctest\\u003e \\"x\\"",
          \t"EncryptedKey": "6pVNGTIq5c4uXu90ZBjg2jKPvSqYc6gEfQ3/dEaMqKhd0CnaEYEm6+4oyrIfQkn0X7/hkW/HaCAqK0G0rcv1nw==",
          \t"ScryptObject": {
          \t\t"Salt": "AjIc6CkWvrd4/41pei15ulBKIcptIzvvJuCI+YB8pkA=",
          \t\t"N": 1024,
          \t\t"R": 8,
          \t\t"P": 1,
          \t\t"KeyLen": 32
          \t},
          \t"Version": 2,
          \t"FeatureFlags": [
          \t\t"HKDF",
          \t\t"GCMIV128",
          \t\t"DirIV",
          \t\t"LongNameMax",
          \t\t"EMENames",
          \t\t"LongNames",
          \t\t"Raw64",
          \t\t"FIDO2"
          \t],
          \t"FIDO2": {
          \t\t"CredentialID": "AQID",
          \t\t"HMACSalt": "BAUG",
          \t\t"AssertOptions": [
          \t\t\t"pin=true"
          \t\t]
          \t},
          \t"LongNameMax": 100
          }
          """;
      GocryptfsConfig config = GocryptfsConfig.parse(json.getBytes(StandardCharsets.UTF_8));
      assertEquals("gocryptfs v2.5 <test> \"x\"", config.creator());
      assertEquals(json, new String(config.toJson(), StandardCharsets.UTF_8));
    }

    @Test
    @DisplayName("has the flags that gocryptfs sets, in its order")
    void hasFlagsInOrder() {
      assertFlags("HKDF GCMIV128 DirIV EMENames LongNames Raw64", GocryptfsOptions.DEFAULT);
      assertFlags(
          "HKDF GCMIV128 DirIV EMENames LongNames Raw64 AESSIV", options(GocryptfsCipher.AES_SIV));
      assertFlags(
          "HKDF XChaCha20Poly1305 LongNameMax EMENames LongNames Raw64",
          options(GocryptfsCipher.XCHACHA20_POLY1305)
              .withDeterministicNames(true)
              .withLongNameMax(100));
      assertFlags(
          "HKDF GCMIV128 PlaintextNames",
          GocryptfsOptions.DEFAULT
              .withPlaintextNames(true)
              .withDeterministicNames(true)
              .withLongNameMax(100));
    }

    private void assertFlags(String flags, GocryptfsOptions options) {
      assertEquals(
          List.of(flags.split(" ", -1)),
          config(options).flags().stream().map(FeatureFlag::word).toList());
    }

    @Test
    @DisplayName("is read whatever the order, the white space and unknown members")
    void isReadTolerantly() throws Exception {
      String json = new String(config(GocryptfsOptions.DEFAULT).toJson(), StandardCharsets.UTF_8);
      String other =
          json.replaceAll("[\\n\\t]", "")
              .replaceFirst("\\{", "{\"Future\":{\"a\":[1,{}]},\"Version\":2,")
              .replaceFirst("},\"Version\": 2", "}");
      assertEquals(
          GocryptfsConfig.parse(json.getBytes(StandardCharsets.UTF_8)).flags(),
          GocryptfsConfig.parse(other.getBytes(StandardCharsets.UTF_8)).flags());
    }

    @Test
    @DisplayName("is refused with the line if it was edited badly")
    void namesTheLine() {
      String json = new String(config(GocryptfsOptions.DEFAULT).toJson(), StandardCharsets.UTF_8);
      assertRefused("line 7", json.replace("\"R\": 8", "\"R\": \"8\""));
      assertRefused("line 7", json.replace("\"R\": 8", "\"R\": 8.5"));
      assertRefused("line 7", json.replace("\"R\": 8", "\"R\": 99999999999999999999"));
      assertRefused("line 8", json.replace("\"P\": 1", "\"R\": 1"));
      assertRefused("line 3", json.replaceFirst("EncryptedKey\": \"..", "EncryptedKey\": \"*!"));
      assertRefused("after the end", json + "{}");
      assertRefused("Version", json.replace("\t\"Version\": 2,\n", ""));
      assertRefused("EncryptedKey", json.replaceFirst("\t\"EncryptedKey.*\n", ""));
      assertRefused("EncryptedKey has 63 bytes", json.replaceFirst("(Key\": \".*).{4}\"", "$1\""));
      assertRefused("not JSON", json.replace("}", "]"));
      assertRefused("not a JSON object", "[]");
      assertRefused("empty", "");
    }

    private void assertRefused(String reason, String json) {
      ConfigException e =
          assertThrows(
              ConfigException.class,
              () -> GocryptfsConfig.parse(json.getBytes(StandardCharsets.UTF_8)));
      assertTrue(String.valueOf(e.getMessage()).contains(reason), e.getMessage());
    }

    @Test
    @DisplayName("never ends in another exception, however damaged")
    void survivesDamage() {
      byte[] json = config(GocryptfsOptions.DEFAULT).toJson();
      for (int i = 0; i < 3000; i++) {
        byte[] damaged = Arrays.copyOf(json, 1 + random.nextInt(json.length));
        for (int n = random.nextInt(4); n > 0; n--) {
          damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        }
        try {
          GocryptfsConfig.parse(damaged);
        } catch (ConfigException e) {
          assertTrue(e.getMessage() != null);
        }
      }
    }
  }

  private static GocryptfsOptions options(GocryptfsCipher cipher) {
    return GocryptfsOptions.DEFAULT.withCipher(cipher);
  }

  private GocryptfsConfig config(GocryptfsOptions options) {
    try (SecretBytes password = SecretBytes.copyOf(ascii("password"))) {
      return GocryptfsConfig.create(options.withScryptLogN(10), password, masterKey);
    }
  }

  private GocryptfsFormat format(GocryptfsOptions options) {
    return new GocryptfsFormat(config(options), masterKey, true);
  }

  private MemorySegment random(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return arena.allocateFrom(BYTE, bytes);
  }

  private byte[] name(int length) {
    byte[] name = new byte[length];
    for (int i = 0; i < length; i++) {
      do {
        name[i] = (byte) (1 + random.nextInt(255));
      } while (name[i] == '/' || name[i] == '.');
    }
    return name;
  }

  private static void flip(MemorySegment memory, int bit) {
    memory.set(BYTE, bit / 8, (byte) (memory.get(BYTE, bit / 8) ^ (1 << bit % 8)));
  }

  private static boolean isZero(MemorySegment memory) {
    return Arrays.equals(memory.toArray(BYTE), new byte[(int) memory.byteSize()]);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
