package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.EdECPrivateKeySpec;
import java.security.spec.NamedParameterSpec;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Ed25519")
class Ed25519SignerTest {
  @ParameterizedTest
  @DisplayName("gives the signatures of RFC 8032, section 7.1")
  @CsvSource({
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60, '',"
        + "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        + "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb, 72,"
        + "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
        + "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7, af82,"
        + "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
        + "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  })
  void givesTheSignaturesOfTheStandard(String key, String message, String signature)
      throws Exception {
    PrivateKey secret =
        KeyFactory.getInstance("Ed25519")
            .generatePrivate(new EdECPrivateKeySpec(NamedParameterSpec.ED25519, Hex.bytes(key)));
    try (Ed25519Signer signer = Ed25519Signer.of(secret)) {
      assertEquals(signature, Hex.text(signer.sign(Hex.bytes(message))));
    }
  }

  @Test
  @DisplayName("signs what Java verifies, and the same when libcrypto's key is gone")
  void signsWhatJavaVerifies() throws Exception {
    Random random = new Random(1);
    KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    Ed25519Signer signer = Ed25519Signer.of(pair.getPrivate());
    byte[] signed = {};
    byte[] message = {};
    for (int length = 0; length < 300; length += 37) {
      message = new byte[length];
      random.nextBytes(message);
      signed = signer.sign(message);
      Signature verifier = Signature.getInstance("Ed25519");
      verifier.initVerify(pair.getPublic());
      verifier.update(message);
      assertTrue(verifier.verify(signed));
    }
    signer.close();
    signer.close();
    assertArrayEquals(signed, signer.sign(message));
  }
}
