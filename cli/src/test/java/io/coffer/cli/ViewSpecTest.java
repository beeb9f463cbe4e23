package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.coffer.cli.ViewSpec.Switch;
import io.coffer.format.gocryptfs.FeatureFlag;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What travels to the daemon arrives. */
class ViewSpecTest {
  private static final ViewSpec SPEC =
      new ViewSpec(
          Path.of("/srv/volume"),
          Path.of("/mnt/viéw"),
          "source",
          "coffer",
          "coffer",
          List.of(FeatureFlag.HKDF, FeatureFlag.XCHACHA20_POLY1305),
          100,
          true,
          Set.of(Switch.ACL, Switch.READ_ONLY),
          "1:2",
          Duration.ofMinutes(3),
          Path.of("/run/socket"),
          List.of("context=x"),
          List.of("a"),
          List.of("*.o"));

  private static byte[] sent(byte[] key) throws IOException {
    var bytes = new ByteArrayOutputStream();
    SPEC.write(new DataOutputStream(bytes));
    bytes.write(key);
    return bytes.toByteArray();
  }

  @Test
  void theDaemonReadsWhatItsParentWrote() throws IOException {
    byte[] key = new byte[32];
    Arrays.fill(key, (byte) 7);
    var request = DaemonChannel.receive(new ByteArrayInputStream(sent(key)));
    assertNotNull(request);
    assertEquals(SPEC, request.spec());
    try (var masterKey = request.masterKey()) {
      assertEquals(
          -1,
          java.util.Objects.requireNonNull(masterKey)
              .<Integer, RuntimeException>read(read -> Arrays.mismatch(read, key)));
    }
  }

  @Test
  void theDaemonGivesUpWhenItsParentDoes() throws IOException {
    byte[] all = sent(new byte[32]);
    for (int length : new int[] {0, 1, 40, all.length - 1}) {
      assertNull(DaemonChannel.receive(new ByteArrayInputStream(all, 0, length)), "" + length);
    }
  }
}
