package io.coffer.keys;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptToolMetadata.Opened;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The metadata of the program fscrypt")
class FscryptToolMetadataTest {
  /** A key made for this test alone. */
  private static final String RAW_KEY =
      "5dce249a8f8bda22ddc60020d84ef5a5565efc662473a03530a7bf13d8d01e77";

  private static final String OF_PASSPHRASE = "4e0eb3c0253997ea0abb9804470402b6";
  private static final String OF_RAW_KEY = "47c1648b0a4d9e41743bb5320bb0ee5f";

  /**
   * What fscrypt 0.3.3 wrote for a directory of the passphrase "hunter2" and one of the raw key.
   */
  private static final Map<String, String> FILES =
      Map.of(
          "policies/" + OF_RAW_KEY,
          "0a203437633136343862306134643965343137343362623533323062623065653566120808201001"
              + "180420021a8a010a106630313861613661326465663632653812760a10bcd226640bb94951f108c9"
              + "474b2edb79124012c0c7fee46db28a2a397bee1988b9f3055689e01aa7bbbb11bc156a49afc6fe6b"
              + "7896aed6477f9971cf5dcb3eca25b8990e653da584ee9dd24ed8043c00de001a204894e25cd767e0"
              + "b3cf611627564f2de7d134ea4e5d11b7136551f6b05fbc8ffc",
          "policies/" + OF_PASSPHRASE,
          "0a203465306562336330323533393937656130616262393830343437303430326236120808201001"
              + "180420021a8a010a103138386463356462323062383236623012760a109b58354f4e259a95f3349a"
              + "41a2bf5e271240ddf62bf373c3a01df22eb407038b1e57210fd936356f2f34d655218218e2d10658"
              + "c76b9ce79f0f09070f81518a2fb9e69ca248567db108a0198612aa2172c37b1a20aeb0f60fc1262b"
              + "1d463bf8b8067b20354d7bf57073c5ed48f2654ce7ab906051",
          "protectors/188dc5db20b826b0",
          "0a103138386463356462323062383236623010021a0470726f742207100118804020012a10451be7"
              + "cca6c31c985ac51695c565b38d3a560a108c012a740b8d5ee645bc69a4055f9c4f1220fc006e4286"
              + "d3f02866b418a0f958ec61c737ffee59d2d6e57fa8b3660b8a254b1a20deb391f7477091a42ac425"
              + "f3a588cd24c4bb821deff24dd3e31d2ecae3bb6b3a",
          "protectors/f018aa6a2def62e8",
          "0a106630313861613661326465663632653810031a04726177703a560a107aba127ad9853e1117a9"
              + "67357ee09a3f122071c79c6358166070f547952f9af1abcbecbc20e1c63afa42c9a9675040ef4508"
              + "1a20000ae81cad3a1d5d6034b730a8fca26ffcaff41926735f450a6420e49e3c1780");

  @TempDir private Path mount = Path.of("");

  @BeforeEach
  void write() throws IOException {
    Files.createDirectories(mount.resolve(".fscrypt/policies"));
    Files.createDirectories(mount.resolve(".fscrypt/protectors"));
    for (Map.Entry<String, String> each : FILES.entrySet()) {
      byte[] bytes = HexFormat.of().parseHex(each.getValue());
      Files.write(mount.resolve(".fscrypt").resolve(each.getKey()), bytes);
    }
  }

  private static ProtectorSecret word(String text) {
    return ProtectorSecret.typed(SecretBytes.take(text.getBytes(UTF_8)));
  }

  private static ProtectorSecret rawKey() throws IOException, VolumeException {
    Path file = Files.createTempFile("coffer-raw", ".key");
    try {
      Files.write(file, HexFormat.of().parseHex(RAW_KEY));
      return ProtectorSecret.keyFile(file);
    } finally {
      Files.delete(file);
    }
  }

  private void assertOpens(ProtectorSecret secret, String name, ProtectorKind kind, String... keys)
      throws VolumeException {
    try (secret) {
      Opened opened = FscryptToolMetadata.unlock(mount, secret);
      assertEquals(name, opened.protectorName());
      assertEquals(kind, opened.kind());
      assertEquals(List.of(keys), opened.keys().stream().map(OpenKey::identifier).toList());
      for (OpenKey each : opened.keys()) {
        assertEquals(each.identifier(), FscryptVolume.identifierOf(each.masterKey()));
        each.close();
      }
    }
  }

  private void assertProblem(Problem problem, ProtectorSecret secret) {
    try (secret) {
      var e = assertThrows(VolumeException.class, () -> FscryptToolMetadata.unlock(mount, secret));
      assertEquals(problem, e.problem());
    }
  }

  @Test
  void givesTheKeysThatAPassphraseOrARawKeyOpens() throws Exception {
    assertOpens(word("hunter2"), "prot", ProtectorKind.PASSPHRASE, OF_PASSPHRASE);
    assertOpens(rawKey(), "rawp", ProtectorKind.KEY_FILE, OF_RAW_KEY);
    assertProblem(Problem.WRONG_PASSWORD, word("hunter3"));
  }

  @Test
  void isWrittenAsItIsRead() throws Exception {
    try (SecretBytes masterKey = SecretBytes.random(64);
        ProtectorSecret secret = word("new word");
        ProtectorSecret raw = rawKey()) {
      String identifier = FscryptVolume.identifierOf(masterKey);
      var keys = List.of(new OpenKey(identifier, masterKey));
      var cost = new Argon2Cost(8192, 1, 4);
      ProtectorKind kind = ProtectorKind.PASSPHRASE;
      String descriptor = FscryptToolMetadata.write(mount, kind, "mine", cost, secret, keys);
      assertTrue(Files.exists(mount.resolve(".fscrypt/protectors/" + descriptor)));
      assertOpens(word("new word"), "mine", kind, identifier);
      var e =
          assertThrows(
              VolumeException.class,
              () ->
                  FscryptToolMetadata.write(
                      mount, ProtectorKind.KEY_FILE, "other", cost, raw, keys));
      assertEquals(Problem.VOLUME_EXISTS, e.problem());
    }
  }

  @Test
  void isRefusedIfItIsMissingOrDamaged() throws Exception {
    Path protector = mount.resolve(".fscrypt/protectors/188dc5db20b826b0");
    byte[] whole = Files.readAllBytes(protector);
    Random random = new Random(1);
    for (int i = 0; i < 60; i++) {
      byte[] changed =
          i % 2 == 0 ? Arrays.copyOf(whole, random.nextInt(whole.length)) : whole.clone();
      if (i % 2 == 1) {
        // From the source on: the name before it is only a label, and costs may become endless.
        int at = 40 + random.nextInt(whole.length - 40);
        changed[at] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(protector, changed);
      try (ProtectorSecret secret = word("hunter2")) {
        assertThrows(VolumeException.class, () -> FscryptToolMetadata.unlock(mount, secret));
      }
    }
    Files.write(protector, new byte[20_000]);
    assertProblem(Problem.CONFIG_DAMAGED, word("hunter2"));
    try (ProtectorSecret secret = word("hunter2")) {
      Path none = mount.resolve("none");
      var e = assertThrows(VolumeException.class, () -> FscryptToolMetadata.unlock(none, secret));
      assertEquals(Problem.NOT_A_VOLUME, e.problem());
    }
  }
}
