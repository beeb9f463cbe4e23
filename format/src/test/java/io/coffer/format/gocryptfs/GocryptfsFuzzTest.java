package io.coffer.format.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What an untrusted store may hold in place of what we stored: every parser of it ends in an answer
 * or in a {@link FormatException}. In an ordinary build the collected inputs are tried; with
 * JAZZER_FUZZ=1 in the environment new ones are searched for.
 */
class GocryptfsFuzzTest {
  private static final byte[] CONTEXT = new byte[16];
  private static final GocryptfsFormat FORMAT = format();

  private static GocryptfsFormat format() {
    Arrays.fill(CONTEXT, (byte) 7);
    try (SecretBytes password = SecretBytes.copyOf(new byte[] {1});
        SecretBytes masterKey = SecretBytes.copyOf(new byte[32])) {
      GocryptfsOptions options = GocryptfsOptions.DEFAULT.withScryptLogN(10);
      GocryptfsConfig config = GocryptfsConfig.create(options, password, masterKey);
      return new GocryptfsFormat(config, masterKey, true);
    }
  }

  @FuzzTest(maxDuration = "60s")
  void configuration(byte[] json) throws FormatException {
    GocryptfsConfig config;
    try {
      config = GocryptfsConfig.parse(json);
    } catch (ConfigException refused) {
      return;
    }
    byte[] written = config.toJson();
    GocryptfsConfig again = GocryptfsConfig.parse(written);
    assertArrayEquals(written, again.toJson());
    assertEquals(config.flags(), again.flags());
  }

  @FuzzTest(maxDuration = "60s")
  void storedName(byte[] stored) throws FormatException {
    NameCodec names = FORMAT.names(CONTEXT);
    byte[] plain;
    try {
      plain =
          names.kindOf(stored) == EntryKind.LONG
              ? names.decodeLong(stored, stored)
              : names.decode(stored);
    } catch (FormatException refused) {
      return;
    }
    // What can be decoded is what encoding gives, or one entry would have two names.
    assertArrayEquals(stored, names.encode(plain).name());
  }

  @FuzzTest(maxDuration = "60s")
  void linksAndAttributes(byte[] stored) {
    byte[] name = FORMAT.openXattrName(stored);
    if (name != null) {
      byte[] sealed = FORMAT.sealXattrName(name);
      assertArrayEquals(stored, sealed == null ? name : sealed);
    }
    try {
      FORMAT.openXattrValue(stored);
      FORMAT.openSymlink(stored);
    } catch (FormatException refused) {
      assertEquals(refused.getMessage(), printable(refused));
    }
  }

  /** Messages about forged data must be fit for a terminal. */
  private static String printable(FormatException e) {
    return String.valueOf(e.getMessage()).replaceAll("\\p{Cntrl}", "?");
  }

  @FuzzTest(maxDuration = "60s")
  void file(byte[] stored) {
    byte[] header = Arrays.copyOf(stored, Math.min(stored.length, 18));
    int length = stored.length - header.length;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment body = arena.allocate(length + 1L);
      MemorySegment.copy(stored, header.length, body, ValueLayout.JAVA_BYTE, 0, length);
      MemorySegment plain = arena.allocate(FORMAT.layout().plainSize(stored.length) + 1);
      int bytes = FORMAT.contents(header).open(0, body, 0, length, plain, 0);
      assertEquals(FORMAT.layout().plainSize(stored.length), bytes);
    } catch (FormatException refused) {
      assertEquals(refused.getMessage(), printable(refused));
    }
  }

  @FuzzTest(maxDuration = "60s")
  void directoryContext(byte[] context) {
    try {
      NameCodec names = FORMAT.names(context);
      byte[] plain = "name".getBytes(StandardCharsets.US_ASCII);
      assertArrayEquals(plain, names.decode(names.encode(plain).name()));
    } catch (FormatException refused) {
      assertEquals(refused.getMessage(), printable(refused));
    }
  }
}
