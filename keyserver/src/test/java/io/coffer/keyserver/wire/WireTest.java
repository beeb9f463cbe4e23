package io.coffer.keyserver.wire;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPrivateKeySpec;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class WireTest {
  private static final KeyName NAME = new KeyName("cinder", "project:a", "id-1", 3);
  private final SecretBytes master = SecretBytes.random(32);
  private final SecretBytes key = SecretBytes.random(32);

  @AfterEach
  void wipe() {
    master.close();
    key.close();
  }

  @Nested
  class AKeyString {
    @Test
    void opensUnderItsMasterKeyAndName() throws Exception {
      byte[] wrapped = KeyString.wrap(master, 7, NAME, key);
      assertEquals(7, KeyString.masterVersion(wrapped));
      try (SecretBytes opened = KeyString.unwrap(master, NAME, wrapped)) {
        assertTrue(opened.matches(key));
      }
    }

    @Test
    void doesNotOpenForAnyOtherNameOrMaster() {
      byte[] wrapped = KeyString.wrap(master, 7, NAME, key);
      for (KeyName other :
          List.of(
              new KeyName("glance", "project:a", "id-1", 3),
              new KeyName("cinder", "project:b", "id-1", 3),
              new KeyName("cinder", "project:a", "id-2", 3),
              new KeyName("cinder", "project:a", "id-1", 2),
              new KeyName("cinderp", "roject:a", "id-1", 3))) {
        assertThrows(
            UnwrapException.class,
            () -> KeyString.unwrap(master, other, wrapped).close(),
            other.toString());
      }
      assertThrows(UnwrapException.class, () -> KeyString.unwrap(key, NAME, wrapped).close());
    }

    @Test
    void isRefusedWithAnyBitFlippedOrByteMissing() {
      byte[] wrapped = KeyString.wrap(master, 7, NAME, key);
      for (int bit = 0; bit < wrapped.length * 8; bit++) {
        byte[] damaged = wrapped.clone();
        damaged[bit / 8] ^= (byte) (1 << (bit % 8));
        assertThrows(
            UnwrapException.class,
            () -> KeyString.unwrap(master, NAME, damaged).close(),
            "bit " + bit);
      }
      for (int length = 0; length < wrapped.length; length++) {
        byte[] cut = Arrays.copyOf(wrapped, length);
        assertThrows(
            UnwrapException.class,
            () -> KeyString.unwrap(master, NAME, cut).close(),
            "length " + length);
      }
    }
  }

  @Nested
  class ADoubleKey {
    private final KeyName ownerName = new KeyName("cinder", "project:a", "owner", 1);

    @Test
    void dependsOnBothHalvesAndBothNames() {
      try (SecretBytes other = SecretBytes.random(32);
          SecretBytes working = DoubleKey.derive(ownerName, master, NAME, key);
          SecretBytes again = DoubleKey.derive(ownerName, master, NAME, key);
          SecretBytes otherOwner = DoubleKey.derive(ownerName, other, NAME, key);
          SecretBytes otherEntity = DoubleKey.derive(ownerName, master, NAME, other);
          SecretBytes swapped = DoubleKey.derive(NAME, master, ownerName, key)) {
        assertTrue(working.matches(again));
        for (SecretBytes different : List.of(otherOwner, otherEntity, swapped, master, key)) {
          assertFalse(working.matches(different));
        }
      }
    }

    @Test
    void takesHalvesOf32BytesOnly() {
      try (SecretBytes small = SecretBytes.random(16)) {
        assertThrows(
            IllegalArgumentException.class,
            () -> DoubleKey.derive(ownerName, small, NAME, key).close());
      }
    }
  }

  @Nested
  class Sealing {
    private static PrivateKey privateKey(String hex) throws Exception {
      AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
      parameters.init(new ECGenParameterSpec("secp256r1"));
      return KeyFactory.getInstance("EC")
          .generatePrivate(
              new ECPrivateKeySpec(
                  new BigInteger(hex, 16), parameters.getParameterSpec(ECParameterSpec.class)));
    }

    @Test
    void opensTheVectorOfRfc9180() throws Exception {
      // RFC 9180, appendix A.3.1: DHKEM(P-256), HKDF-SHA256, AES-128-GCM, base, sequence 0.
      HexFormat hex = HexFormat.of();
      byte[] sealed =
          hex.parseHex(
              "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f"
                  + "951c0900be863c403ce65c9bfcb9382657222d18c4"
                  + "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39"
                  + "513434");
      try (SecretBytes opened =
          Hpke.open(
              privateKey("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2"),
              hex.parseHex("4f6465206f6e2061204772656369616e2055726e"),
              "Count-0".getBytes(UTF_8),
              sealed,
              16)) {
        opened.read(bytes -> {
          assertArrayEquals("Beauty is truth, truth beauty".getBytes(UTF_8), bytes);
          return 0;
        });
      }
    }

    @Test
    void aGrantOpensOnlyForItsEndpointServiceVersionAndNonce() throws Exception {
      KeyPair pair = Hpke.newKeyPair();
      byte[] nonce = RandomBytes.of(16);
      ECPublicKey publicKey = Hpke.decode(Hpke.encode((ECPublicKey) pair.getPublic()));
      byte[] grant = MasterKeyGrant.seal(publicKey, "endpoint:n1", "cinder", 2, nonce, master);
      PrivateKey own = pair.getPrivate();
      try (SecretBytes opened =
          MasterKeyGrant.open(own, "endpoint:n1", "cinder", 2, nonce, grant)) {
        assertTrue(opened.matches(master));
      }
      PrivateKey foreign = Hpke.newKeyPair().getPrivate();
      assertThrows(
          UnwrapException.class,
          () -> MasterKeyGrant.open(foreign, "endpoint:n1", "cinder", 2, nonce, grant).close());
      assertThrows(
          UnwrapException.class,
          () -> MasterKeyGrant.open(own, "endpoint:n2", "cinder", 2, nonce, grant).close());
      assertThrows(
          UnwrapException.class,
          () -> MasterKeyGrant.open(own, "endpoint:n1", "glance", 2, nonce, grant).close());
      assertThrows(
          UnwrapException.class,
          () -> MasterKeyGrant.open(own, "endpoint:n1", "cinder", 1, nonce, grant).close());
      assertThrows(
          UnwrapException.class,
          () -> MasterKeyGrant.open(own, "endpoint:n1", "cinder", 2, new byte[16], grant).close());
      for (int i = 0; i < grant.length; i++) {
        byte[] damaged = grant.clone();
        damaged[i] ^= 1;
        assertThrows(
            UnwrapException.class,
            () -> MasterKeyGrant.open(own, "endpoint:n1", "cinder", 2, nonce, damaged).close(),
            "byte " + i);
      }
    }

    @Test
    void whatIsNoPointOnTheCurveIsNoPublicKey() {
      byte[] good = Hpke.encode((ECPublicKey) Hpke.newKeyPair().getPublic());
      byte[] off = good.clone();
      off[64] ^= 1;
      byte[] zero = new byte[65];
      zero[0] = 4;
      byte[] large = new byte[65];
      Arrays.fill(large, (byte) 0xff);
      large[0] = 4;
      for (byte[] bad : new byte[][] {off, zero, large, new byte[0], Arrays.copyOf(good, 64)}) {
        assertThrows(UnwrapException.class, () -> Hpke.decode(bad));
      }
    }
  }
}
