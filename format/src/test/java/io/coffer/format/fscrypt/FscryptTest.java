package io.coffer.format.fscrypt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.coffer.format.BlockException;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.format.StrictBase64;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("fscrypt")
class FscryptTest {
  private final FscryptMasterKey master = Samples.masterKey(64);

  @AfterEach
  void close() {
    master.close();
  }

  private static byte[] bytes(int length, int seed) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static String refusal(Executable action) {
    return String.valueOf(assertThrows(FormatException.class, action).getMessage());
  }

  private FscryptContext context(NamesMode names, int padding) {
    return Samples.context(master, names, padding);
  }

  @Nested
  @DisplayName("A context")
  class Contexts {
    private final FscryptContext context = context(NamesMode.AES_256_HCTR2, 16);

    @Test
    @DisplayName("has the kernel's 40 bytes")
    void layout() throws Exception {
      String expected =
          "02010a020c000000" + "69b2f6edeee720cce0577937eb8a6751" + Samples.hex(Samples.NONCE);
      assertEquals(expected, Samples.hex(context.encode()));
      assertEquals(context, FscryptContext.decode(Samples.hex(expected)));
    }

    @Test
    @DisplayName("of something new keeps the policy and has a nonce of its own")
    void childrenHaveNoncesOfTheirOwn() {
      Set<String> nonces = new HashSet<>();
      for (int i = 0; i < 100; i++) {
        FscryptContext child = context.child();
        assertEquals(context.policy(), child.policy());
        nonces.add(Samples.hex(child.nonce()));
      }
      assertEquals(100, nonces.size());
    }

    @ParameterizedTest
    @DisplayName("is refused with the reason")
    @CsvSource({
      "0, 3, unknown version 3",
      "1, 2, unsupported contents mode 2",
      "1, 0, unsupported contents mode 0",
      "1, 7, unsupported contents mode 7",
      "2, 1, unsupported names mode 1",
      "2, 9, contents in AES_256_XTS do not go with names in ADIANTUM",
      "3, 4, DIRECT_KEY needs Adiantum",
      "3, 8, IV_INO_LBLK_64",
      "3, 16, IV_INO_LBLK_32",
      "3, 32, unknown flags 32",
      "4, 8, not 2^8",
      "4, 17, not 2^17",
      "4, -1, not 2^255",
      "5, 1, reserved byte 5",
      "7, 1, reserved byte 7"
    })
    void isRefused(int position, int value, String why) {
      byte[] stored = context.encode();
      stored[position] = (byte) value;
      String refusal = refusal(() -> FscryptContext.decode(stored));
      assertTrue(refusal.contains(why), refusal);
    }

    @Test
    @DisplayName("of another length is refused")
    void otherLengths() {
      for (int length : new int[] {0, 1, 28, 39, 41, 48}) {
        byte[] stored = Arrays.copyOf(context.encode(), length);
        assertTrue(refusal(() -> FscryptContext.decode(stored)).contains("context"));
      }
      byte[] old = Arrays.copyOf(new byte[] {1, 1, 4}, 28);
      assertTrue(refusal(() -> FscryptContext.decode(old)).contains("version 1"));
    }

    @Test
    @DisplayName("with data units of the file system's block size means 4096 bytes, and stays so")
    void blockSizedUnits() throws Exception {
      byte[] stored = context.encode();
      stored[4] = 0;
      FscryptContext decoded = FscryptContext.decode(stored);
      assertEquals(4096, decoded.policy().dataUnitBytes());
      assertArrayEquals(stored, decoded.encode());
      assertNotEquals(context.policy(), decoded.policy());
    }
  }

  @Nested
  @DisplayName("A master key")
  class MasterKeys {
    @Test
    @DisplayName("has 16 to 64 bytes, and at least 32 for AES-256")
    void lengths() {
      assertThrows(IllegalArgumentException.class, () -> Samples.masterKey(15).close());
      assertThrows(IllegalArgumentException.class, () -> Samples.masterKey(65).close());
      try (FscryptMasterKey small = Samples.masterKey(16)) {
        FscryptContext weak = Samples.context(small, NamesMode.AES_128_CTS, 16);
        FscryptContext strong = Samples.context(small, NamesMode.AES_256_CTS, 16);
        assertTrue(small.isFor(weak.policy()));
        assertFalse(small.isFor(strong.policy()));
        small.names(weak).close();
        assertThrows(IllegalArgumentException.class, () -> small.names(strong));
        assertThrows(IllegalArgumentException.class, () -> small.contents(strong));
        assertThrows(IllegalArgumentException.class, () -> small.symlink(strong));
      }
    }

    @Test
    @DisplayName("is not taken for another's")
    void othersPolicies() {
      try (FscryptMasterKey other = Samples.masterKey(32)) {
        FscryptContext foreign = Samples.context(other, NamesMode.AES_256_CTS, 16);
        assertThrows(IllegalArgumentException.class, () -> master.names(foreign));
        assertThrows(IllegalArgumentException.class, () -> master.contents(foreign));
      }
    }

    @Test
    @DisplayName("makes nothing more once it is closed; what it has made lives on until closed")
    void closing() throws Exception {
      FscryptContext context = context(NamesMode.AES_256_CTS, 16);
      FscryptNames names = master.names(context);
      FscryptContents contents = master.contents(context);
      byte[] encrypted = names.encrypt(ascii("name"));
      byte[] stored = Samples.seal(contents, 0, bytes(10, 1));
      master.close();
      assertThrows(IllegalStateException.class, () -> master.names(context));
      assertThrows(IllegalStateException.class, () -> master.contents(context));
      assertArrayEquals(ascii("name"), names.decrypt(encrypted));
      names.close();
      contents.close();
      assertThrows(IllegalStateException.class, () -> names.decrypt(encrypted));
      assertThrows(IllegalStateException.class, () -> names.encrypt(ascii("name")));
      assertThrows(IllegalStateException.class, () -> Samples.open(contents, 0, stored));
      assertThrows(IllegalStateException.class, () -> Samples.seal(contents, 0, stored));
    }

    @Test
    @DisplayName("says nothing of itself")
    void toStringIsTheIdentifier() {
      assertEquals("FscryptMasterKey[69b2f6edeee720cce0577937eb8a6751]", master.toString());
    }
  }

  @Nested
  @DisplayName("Contents")
  class Contents {
    @ParameterizedTest
    @DisplayName("open as they were, in whole units with zeros after their end")
    @EnumSource
    void roundTrip(ContentsMode mode) throws Exception {
      try (FscryptContents contents = master.contents(Samples.context(master, mode, 12))) {
        for (int length : new int[] {1, 4095, 4096, 4097, 40960, 100_000}) {
          byte[] plain = bytes(length, length);
          byte[] stored = Samples.seal(contents, 9, plain);
          assertEquals((length + 4095) / 4096 * 4096, stored.length);
          byte[] opened = Samples.open(contents, 9, stored);
          assertArrayEquals(Arrays.copyOf(plain, stored.length), opened);
        }
      }
    }

    @ParameterizedTest
    @DisplayName("have zeros where the store has a hole, whichever units those are")
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
    void holes(int which) throws Exception {
      FscryptContext context = Samples.context(master, ContentsMode.AES_256_XTS, 12);
      try (FscryptContents contents = master.contents(context)) {
        byte[] plain = bytes(4 * 4096, 3);
        byte[] stored = Samples.seal(contents, 0, plain);
        for (int unit = 0; unit < 4; unit++) {
          if ((which >> unit & 1) != 0) {
            Arrays.fill(stored, unit * 4096, (unit + 1) * 4096, (byte) 0);
            Arrays.fill(plain, unit * 4096, (unit + 1) * 4096, (byte) 0);
          }
        }
        assertArrayEquals(plain, Samples.open(contents, 0, stored));
      }
    }

    @Test
    @DisplayName("with a unit that only begins with zeros are no hole")
    void nearlyHoles() throws Exception {
      FscryptContext context = Samples.context(master, ContentsMode.AES_256_XTS, 12);
      try (FscryptContents contents = master.contents(context)) {
        byte[] stored = new byte[4096];
        stored[4095] = 1;
        byte[] opened = Samples.open(contents, 0, stored);
        assertFalse(Arrays.equals(new byte[16], Arrays.copyOf(opened, 16)));
        assertArrayEquals(stored, Samples.seal(contents, 0, opened));
      }
    }

    @Test
    @DisplayName("whose last unit is cut off give the units before it and say which is bad")
    void cutOff() throws Exception {
      FscryptContext context = Samples.context(master, ContentsMode.AES_256_XTS, 12);
      try (FscryptContents contents = master.contents(context);
          Arena arena = Arena.ofConfined()) {
        byte[] plain = bytes(8192, 4);
        byte[] sealed = Samples.seal(contents, 5, plain);
        MemorySegment stored = arena.allocateFrom(ValueLayout.JAVA_BYTE, sealed);
        MemorySegment opened = arena.allocate(8192);
        BlockException e =
            assertThrows(BlockException.class, () -> contents.open(5, stored, 0, 8191, opened, 0));
        assertEquals(6, e.block());
        assertEquals(4096, e.plainBytesBefore());
        assertArrayEquals(
            Arrays.copyOf(plain, 4096), opened.asSlice(0, 4096).toArray(ValueLayout.JAVA_BYTE));
        assertArrayEquals(
            new byte[4096], opened.asSlice(4096, 4096).toArray(ValueLayout.JAVA_BYTE));
      }
    }

    @ParameterizedTest
    @DisplayName("are sealed and opened without allocating")
    @EnumSource
    void allocateNothing(ContentsMode mode) throws Exception {
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      try (FscryptContents contents = master.contents(Samples.context(master, mode, 12));
          Arena arena = Arena.ofConfined()) {
        MemorySegment plain = arena.allocate(20_000);
        MemorySegment stored = arena.allocate(20_480);
        MemorySegment opened = arena.allocate(20_480);
        // Code that is not compiled yet allocates some; what counts is that this ends.
        long calls = 100;
        long fewest = Long.MAX_VALUE;
        for (int round = 0; round < 1000 && fewest >= calls; round++) {
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < calls; i++) {
            contents.seal(i, plain, 0, 20_000, stored, 0);
            contents.open(i, stored, 0, 20_480, opened, 0);
          }
          fewest = Math.min(fewest, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertTrue(fewest < calls, calls + " pairs of calls allocate " + fewest + " bytes");
      }
    }
  }

  @Nested
  @DisplayName("Names")
  class Names {
    private final FscryptNames names = master.names(context(NamesMode.AES_256_CTS, 16));

    private byte[] stored(byte[] padded) {
      // What somebody with the key, or a bug, could have stored in place of a name.
      try (FscryptSymlinks link = master.symlink(context(NamesMode.AES_256_CTS, 16))) {
        byte[] encrypted = link.encrypt(padded, padded.length);
        return Arrays.copyOfRange(encrypted, 2, encrypted.length);
      } catch (FormatException e) {
        throw new AssertionError(e);
      }
    }

    @ParameterizedTest
    @DisplayName("are padded to 16 bytes, then to the policy's multiple, but not beyond 255")
    @CsvSource({
      "4, 1, 16", "4, 16, 16", "4, 17, 20", "4, 252, 252", "4, 253, 255", "8, 17, 24",
      "16, 17, 32", "16, 240, 240", "16, 241, 255", "32, 1, 32", "32, 33, 64", "32, 225, 255",
      "32, 255, 255"
    })
    void padding(int padding, int length, int expected) throws Exception {
      try (FscryptNames padded = master.names(context(NamesMode.AES_256_CTS, padding))) {
        assertEquals(expected, padded.encrypt(new byte[length]).length);
      }
    }

    @Test
    @DisplayName("of 256 bytes are too long")
    void tooLong() {
      assertTrue(refusal(() -> names.encrypt(new byte[256])).contains("256"));
    }

    @Test
    @DisplayName("that no directory can hold are refused when read")
    void impossibleNames() {
      for (String name : new String[] {".", "..", "a/b", "/", "x/"}) {
        byte[] stored = stored(Arrays.copyOf(ascii(name), 16));
        assertTrue(refusal(() -> names.decrypt(stored)).contains("no directory"), name);
      }
      assertTrue(refusal(() -> names.decrypt(stored(padded("a\0b")))).contains("padding"));
      assertTrue(refusal(() -> names.decrypt(new byte[15])).contains("15 bytes"));
      assertTrue(refusal(() -> names.decrypt(new byte[256])).contains("256 bytes"));
    }

    private static byte[] padded(String text) {
      return Arrays.copyOf(ascii(text), 16);
    }

    @Test
    @DisplayName("with more padding than they need are refused, or an entry would have two")
    void tooMuchPadding() throws Exception {
      try (FscryptNames wide = master.names(context(NamesMode.AES_256_CTS, 32))) {
        byte[] stored = wide.encrypt(ascii("name"));
        assertTrue(refusal(() -> names.decrypt(stored)).contains("padding"));
      }
    }

    @Test
    @DisplayName("are stored in Ceph's base64, long ones with a digest and a sidecar")
    void storedForm() throws Exception {
      for (int length = 1; length <= 255; length++) {
        byte[] plain = bytes(length, length);
        for (int i = 0; i < length; i++) {
          plain[i] = (byte) ('a' + (plain[i] & 15));
        }
        byte[] encrypted = names.encrypt(plain);
        StoredName stored = names.encode(plain);
        String text = new String(stored.name(), StandardCharsets.US_ASCII);
        assertTrue(text.matches("[A-Za-z0-9+,]+"), text);
        byte[] sidecar = stored.sidecarContent();
        if (encrypted.length <= 148) {
          assertNull(sidecar);
          assertEquals(EntryKind.PLAIN, names.kindOf(stored.name()));
          assertArrayEquals(encrypted, FscryptStoredName.decode(stored.name()));
          assertArrayEquals(plain, names.decode(stored.name()));
        } else {
          assertArrayEquals(encrypted, sidecar);
          assertEquals(240, text.length());
          assertEquals(EntryKind.LONG, names.kindOf(stored.name()));
          assertArrayEquals(names.sidecarOf(stored.name()), stored.sidecarName());
          assertEquals(EntryKind.INTERNAL, names.kindOf(names.sidecarOf(stored.name())));
          assertArrayEquals(plain, names.decodeLong(stored.name(), encrypted));
          encrypted[length % encrypted.length] ^= 1;
          assertTrue(refusal(() -> names.decodeLong(stored.name(), encrypted)).contains("belong"));
        }
      }
    }

    @Test
    @DisplayName("in preparation are told from others")
    void temporaryNames() {
      byte[] temporary = names.newTemporaryName();
      assertTrue(names.isTemporary(temporary));
      assertEquals(EntryKind.INTERNAL, names.kindOf(temporary));
      assertFalse(names.isTemporary(ascii(".coffer-tmp.0123")));
      assertFalse(names.isTemporary(ascii(".coffer-tmp.0123456789abcdeF")));
      assertNotEquals(Samples.hex(temporary), Samples.hex(names.newTemporaryName()));
    }

    @Test
    @DisplayName("with a common beginning show it in CTS, and not in HCTR2 or Adiantum")
    void commonBeginnings() throws Exception {
      byte[] one = ascii("a common beginning, then more, and then one");
      byte[] other = ascii("a common beginning, then more, and then two");
      for (NamesMode mode : NamesMode.values()) {
        try (FscryptNames of = master.names(context(mode, 32))) {
          boolean same =
              Arrays.equals(
                  Arrays.copyOf(of.encrypt(one), 16), Arrays.copyOf(of.encrypt(other), 16));
          boolean isCts = mode == NamesMode.AES_256_CTS || mode == NamesMode.AES_128_CTS;
          assertEquals(isCts, same, mode.toString());
        }
      }
    }
  }

  @Nested
  @DisplayName("A name without the key")
  class NoKeyNames {
    @ParameterizedTest
    @DisplayName("holds what fits of the enciphered name, and a digest of the rest")
    @CsvSource({"16, 32", "17, 34", "148, 208", "149, 210", "150, 252", "255, 252"})
    void lengths(int ciphertextBytes, int characters) throws Exception {
      byte[] ciphertext = bytes(ciphertextBytes, 6);
      FscryptNoKeyName name = FscryptNoKeyName.of(ciphertext);
      byte[] shown = name.encode();
      assertEquals(characters, shown.length);
      assertEquals(name, FscryptNoKeyName.decode(shown));
      assertTrue(name.matches(ciphertext));
      ciphertext[ciphertextBytes - 1] ^= 1;
      assertFalse(name.matches(ciphertext));
      ciphertext[ciphertextBytes - 1] ^= 1;
      assertFalse(name.matches(Arrays.copyOf(ciphertext, ciphertextBytes - 1)));
      assertEquals(ciphertextBytes <= 149, name.ciphertext() != null);
    }

    @Test
    @DisplayName("leads to the entries of the store that it can mean")
    void leadsToStoredNames() {
      for (int length = 16; length <= 255; length++) {
        byte[] ciphertext = bytes(length, length);
        byte[] stored = FscryptStoredName.encode(ciphertext);
        byte[] beginning = FscryptStoredName.beginningFor(FscryptNoKeyName.of(ciphertext));
        assertArrayEquals(beginning, Arrays.copyOf(stored, beginning.length));
        assertEquals(length <= 149 ? stored.length : 197, beginning.length);
      }
    }

    @ParameterizedTest
    @DisplayName("that the kernel would not know is refused")
    @ValueSource(
        strings = {
          "",
          "AAAAAAAAAAA",
          "AAAAAAAAAAAA=",
          "AAAAAAAAAAAB",
          "AAAAAAAAAAA+",
          "AAAAAAAAAAAAA"
        })
    void refused(String shown) {
      boolean isGood = shown.equals("AAAAAAAAAAAB");
      if (isGood) {
        org.junit.jupiter.api.Assertions.assertDoesNotThrow(
            () -> FscryptNoKeyName.decode(ascii(shown)));
      } else {
        assertTrue(refusal(() -> FscryptNoKeyName.decode(ascii(shown))).contains("no-key"));
      }
    }

    @Test
    @DisplayName("of a length between a whole and a cut one is refused")
    void lengthsInBetween() {
      for (int length = 158; length < 189; length++) {
        byte[] shown = StrictBase64.URL.encode(new byte[length]);
        assertTrue(refusal(() -> FscryptNoKeyName.decode(shown)).contains("none has"));
      }
      byte[] tooLong = StrictBase64.URL.encode(new byte[190]);
      assertTrue(refusal(() -> FscryptNoKeyName.decode(tooLong)).contains("too many"));
    }
  }

  @Nested
  @DisplayName("A symbolic link")
  class SymbolicLinks {
    private final FscryptContext context = context(NamesMode.AES_256_CTS, 16);
    private final FscryptSymlinks link = master.symlink(context);

    @ParameterizedTest
    @DisplayName("carries its context and its target in one text")
    @ValueSource(ints = {1, 15, 16, 17, 255, 3000, 3029})
    void roundTrip(int length) throws Exception {
      byte[] target = new byte[length];
      Arrays.fill(target, (byte) '/');
      byte[] text = link.encode(target);
      assertTrue(text.length <= 4095);
      assertArrayEquals(target, link.decode(text));
      FscryptSymlinks.Stored stored = FscryptSymlinks.parse(text);
      assertEquals(context, stored.context());
      assertArrayEquals(target, link.decrypt(stored.target()));
      assertArrayEquals(text, FscryptSymlinks.encode(stored.context(), stored.target()));
      assertArrayEquals(
          FscryptNoKeyName.of(FscryptSymlinks.ciphertext(stored.target())).encode(),
          stored.noKeyTarget());
    }

    @Test
    @DisplayName("has a target that is not too long")
    void tooLong() {
      assertTrue(refusal(() -> link.encode(new byte[3030])).contains("3030"));
      assertTrue(refusal(() -> link.encrypt(new byte[4094], 4093)).contains("4094"));
    }

    @Test
    @DisplayName("of another context, or damaged, is refused")
    void damaged() throws Exception {
      byte[] text = link.encode(ascii("target"));
      try (FscryptSymlinks other = master.symlink(context.child())) {
        assertTrue(refusal(() -> other.decode(text)).contains("another context"));
      }
      assertTrue(
          refusal(() -> link.decode(Arrays.copyOf(text, text.length - 2))).contains("damaged"));
      assertTrue(refusal(() -> link.decode(ascii("AAAA"))).contains("too short"));
      assertTrue(refusal(() -> link.decode(ascii("a target"))).contains("base64"));
      assertTrue(refusal(() -> link.decrypt(new byte[] {0, 0, 1})).contains("length"));
      assertTrue(refusal(() -> link.decrypt(new byte[1])).contains("length"));
      assertTrue(refusal(() -> link.decrypt(new byte[] {9, 0, 1})).contains("length"));
    }
  }
}
