package io.coffer.keyserver.seal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.SqliteEngine;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SealTest {
  private static final int CHEAP = 10;

  private static SecretBytes secret(String text) {
    return SecretBytes.take(text.getBytes(UTF_8));
  }

  @Nested
  class Sharing {
    @Test
    void theVectorOfTheThresholdSecretSharingDraftComesOut() {
      // draft-mcgrew-tss-03, section 9: secret "test\0", 2 of 2.
      HexFormat hex = HexFormat.of();
      byte[] secret = hex.parseHex("7465737400");
      byte[] slope = hex.parseHex("cd9f749585");
      List<Shamir.Point> points = Shamir.evaluate(new byte[][] {secret, slope}, 2);
      assertArrayEquals(hex.parseHex("b9fa07e185"), points.get(0).y());
      assertArrayEquals(hex.parseHex("f5409b4511"), points.get(1).y());
      assertArrayEquals(secret, Shamir.combine(points));
    }

    @Test
    void theFieldIsThatOfAes() {
      // FIPS 197, section 4.2: {57} * {83} = {c1}, {57} * {13} = {fe}.
      assertEquals(0xc1, Shamir.multiply(0x57, 0x83));
      assertEquals(0xfe, Shamir.multiply(0x57, 0x13));
      for (int a = 1; a < 256; a++) {
        assertEquals(1, Shamir.multiply(a, Shamir.invert(a)));
      }
    }

    @Test
    void everyQuorumOfThreeOfFiveOpensAndNoPairDoes() {
      byte[] secret = RandomBytes.of(32);
      List<Shamir.Point> points = Shamir.split(secret, 3, 5);
      for (int a = 0; a < 5; a++) {
        for (int b = a + 1; b < 5; b++) {
          byte[] two = Shamir.combine(List.of(points.get(a), points.get(b)));
          assertTrue(!Arrays.equals(secret, two));
          for (int c = b + 1; c < 5; c++) {
            assertArrayEquals(
                secret, Shamir.combine(List.of(points.get(c), points.get(a), points.get(b))));
          }
        }
      }
    }

    @Test
    void sharesOfTheSameSecretDifferEachTime() {
      HashSet<String> seen = new HashSet<>();
      for (int i = 0; i < 20; i++) {
        seen.add(HexFormat.of().formatHex(Shamir.split(new byte[32], 2, 2).getFirst().y()));
      }
      assertEquals(20, seen.size());
    }
  }

  @Nested
  class Slots {
    @TempDir Path directory;
    private Engine engine;
    private final SecretBytes root = Seal.newRoot();

    @BeforeEach
    void open() throws EngineException {
      engine = SqliteEngine.open(directory.resolve("store.db"));
    }

    @AfterEach
    void close() throws EngineException {
      engine.close();
      root.close();
    }

    @Test
    void aPassphraseOpensWhatItSealed() throws Exception {
      try (SecretBytes right = secret("correct horse");
          SecretBytes wrong = secret("correct house")) {
        Seal.empty().withPassphrase(root, "main", right, CHEAP).store(engine);
        Seal seal = Seal.load(engine);
        try (Seal.Opened opened = seal.open(right)) {
          assertTrue(opened.root().matches(root));
        }
        assertThrows(SealException.class, () -> seal.open(wrong));
      }
    }

    @Test
    void aQuorumOpensFromTheTextsOfItsShares() throws Exception {
      Seal.NewQuorum quorum = Seal.empty().withQuorum(root, "operators", 2, 3);
      quorum.seal().store(engine);
      Seal seal = Seal.load(engine);
      byte[] first = quorum.shares().get(2).text();
      byte[] second = quorum.shares().get(0).text();
      try (Share a = Share.parse(first);
          Share b = Share.parse(second);
          Seal.Opened opened = seal.open(List.of(a, b))) {
        assertTrue(opened.root().matches(root));
        assertThrows(SealException.class, () -> seal.open(List.of(a)));
        assertThrows(SealException.class, () -> seal.open(List.of(a, a)));
      }
    }

    @Test
    void sharesOfAnotherQuorumOrForgedOnesAreRefused() throws Exception {
      Seal.NewQuorum quorum = Seal.empty().withQuorum(root, "operators", 2, 3);
      Seal.NewQuorum other = Seal.empty().withQuorum(root, "operators", 2, 3);
      Seal seal = quorum.seal();
      SealException foreign = assertThrows(SealException.class, () -> seal.open(other.shares()));
      assertTrue(String.valueOf(foreign.getMessage()).contains("another server"));
      Share good = quorum.shares().get(0);
      Share forged = new Share(good.set(), 2, new Shamir.Point(2, RandomBytes.of(32)));
      assertThrows(SealException.class, () -> seal.open(List.of(good, forged)));
    }

    @Test
    void everyMiscopiedCharacterOfAShareIsNoticed() throws Exception {
      byte[] text = Seal.empty().withQuorum(root, "q", 2, 2).shares().getFirst().text();
      Share.parse(text).close();
      for (int i = 0; i < text.length; i++) {
        byte[] wrong = text.clone();
        wrong[i] = (byte) (wrong[i] == '7' ? '8' : '7');
        assertThrows(SealException.class, () -> Share.parse(wrong), "character " + i);
        byte[] cut = Arrays.copyOf(text, i);
        assertThrows(SealException.class, () -> Share.parse(cut), "length " + i);
      }
      assertThrows(SealException.class, () -> Share.parse(new byte[100_000]));
    }

    @Test
    void waysToOpenCanBeAddedAndRemovedButNotTheLast() throws Exception {
      try (SecretBytes one = secret("passphrase one");
          SecretBytes two = secret("passphrase two")) {
        Seal seal =
            Seal.empty()
                .withPassphrase(root, "one", one, CHEAP)
                .store(engine)
                .withPassphrase(root, "two", two, CHEAP)
                .without("one")
                .store(engine);
        assertThrows(SealException.class, () -> seal.open(one));
        seal.open(two).close();
        assertThrows(SealException.class, () -> seal.without("two"));
        assertThrows(SealException.class, () -> seal.without("three"));
        assertThrows(SealException.class, () -> seal.withPassphrase(root, "two", one, CHEAP));
      }
    }

    @Test
    void shortPassphrasesAndSenselessQuorumsAreRefused() {
      try (SecretBytes tiny = secret("short")) {
        assertThrows(
            SealException.class, () -> Seal.empty().withPassphrase(root, "a", tiny, CHEAP));
      }
      for (int[] bad : new int[][] {{1, 1}, {1, 5}, {4, 3}, {2, 256}, {0, 0}}) {
        assertThrows(SealException.class, () -> Seal.empty().withQuorum(root, "a", bad[0], bad[1]));
      }
    }

    @Test
    void aSealWithAnotherCostOrNameDoesNotOpen() throws Exception {
      try (SecretBytes passphrase = secret("correct horse")) {
        Seal.empty().withPassphrase(root, "main", passphrase, CHEAP).store(engine);
        Engine.Entry entry = Objects.requireNonNull(engine.get("seal"));
        String json = new String(entry.value(), UTF_8);
        long version = entry.version();
        for (String[] change :
            new String[][] {{"\"log_n\":10", "\"log_n\":11"}, {"\"main\"", "\"mine\""}}) {
          String forged = json.replace(change[0], change[1]);
          version =
              engine.apply(List.of(Engine.Change.put("seal", forged.getBytes(UTF_8), version)));
          assertThrows(SealException.class, () -> Seal.load(engine).open(passphrase));
        }
        for (String bad : List.of("", "{}", "{\"format\":2}", json.replace(":10", ":30"))) {
          version = engine.apply(List.of(Engine.Change.put("seal", bad.getBytes(UTF_8), version)));
          assertThrows(EngineException.class, () -> Seal.load(engine));
        }
      }
    }
  }
}
