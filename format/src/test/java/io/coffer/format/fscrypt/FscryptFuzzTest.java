package io.coffer.format.fscrypt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec.EntryKind;
import java.util.Arrays;

/**
 * What an untrusted store may hold, or somebody without the key may ask for: every parser of it
 * ends in an answer that has one stored form, or in a {@link FormatException}. In an ordinary build
 * the collected inputs are tried; with JAZZER_FUZZ=1 in the environment new ones are searched for.
 */
class FscryptFuzzTest {
  private static final FscryptMasterKey MASTER = Samples.masterKey(64);
  private static final FscryptContext CONTEXT = Samples.context(MASTER, NamesMode.AES_256_CTS, 16);
  private static final FscryptNames NAMES = MASTER.names(CONTEXT);
  private static final FscryptSymlinks LINK = MASTER.symlink(CONTEXT);

  /** Messages about forged data must be fit for a terminal. */
  private static void assertPrintable(FormatException e) {
    String message = String.valueOf(e.getMessage());
    assertEquals(message, message.replaceAll("[^ -~]", "?"));
  }

  @FuzzTest(maxDuration = "60s")
  void context(byte[] stored) {
    try {
      FscryptContext context = FscryptContext.decode(stored);
      assertArrayEquals(stored, context.encode());
      FscryptContext child = FscryptContext.decode(context.child().encode());
      assertEquals(context.policy(), child.policy());
    } catch (FormatException refused) {
      assertPrintable(refused);
    }
  }

  @FuzzTest(maxDuration = "60s")
  void noKeyName(byte[] shown) {
    try {
      FscryptNoKeyName name = FscryptNoKeyName.decode(shown);
      assertArrayEquals(shown, name.encode());
      byte[] ciphertext = name.ciphertext();
      assertTrue(ciphertext == null || name.matches(ciphertext));
      assertTrue(FscryptStoredName.beginningFor(name).length <= 240);
    } catch (FormatException refused) {
      assertPrintable(refused);
    }
  }

  @FuzzTest(maxDuration = "60s")
  void storedName(byte[] stored) throws FormatException {
    byte[] plain;
    try {
      plain =
          NAMES.kindOf(stored) == EntryKind.LONG
              ? NAMES.decodeLong(stored, Arrays.copyOf(stored, 240))
              : NAMES.decode(stored);
    } catch (FormatException refused) {
      assertPrintable(refused);
      return;
    }
    // What can be decoded is what encoding gives, or one entry would have two names.
    assertArrayEquals(stored, NAMES.encode(plain).name());
  }

  @FuzzTest(maxDuration = "60s")
  void symbolicLink(byte[] text) {
    try {
      FscryptSymlinks.Stored stored = FscryptSymlinks.parse(text);
      assertArrayEquals(text, FscryptSymlinks.encode(stored.context(), stored.target()));
      assertTrue(stored.noKeyTarget().length <= FscryptNoKeyName.MAX_LENGTH);
      LINK.decode(text);
    } catch (FormatException refused) {
      assertPrintable(refused);
    }
  }
}
