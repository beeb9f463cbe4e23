package io.coffer.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.vfs.PathTranslator;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The control socket, asked as gocryptfs's clients ask. */
@Timeout(30)
class ControlSocketTest {
  /** "Encrypts" by capital letters. */
  private static final PathTranslator CAPITALS =
      new PathTranslator() {
        @Override
        public byte[] encryptPath(byte[] plain) throws ErrnoException {
          String text = new String(plain, StandardCharsets.UTF_8);
          if (text.startsWith("missing")) {
            throw new ErrnoException(Errno.ENOENT);
          }
          if (text.startsWith("bug")) {
            throw new IllegalStateException("a bug");
          }
          return text.toUpperCase(java.util.Locale.ROOT).getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public byte[] decryptPath(byte[] stored) {
          return new String(stored, StandardCharsets.UTF_8)
              .toLowerCase(java.util.Locale.ROOT)
              .getBytes(StandardCharsets.UTF_8);
        }
      };

  @TempDir Path directory;
  private Path path;
  private ControlSocket socket;

  @BeforeEach
  void open() throws IOException {
    path = directory.resolve("ctl.sock");
    socket = ControlSocket.open(path, CAPITALS);
  }

  @AfterEach
  void close() {
    socket.close();
  }

  private SocketChannel connect() throws IOException {
    SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX);
    client.connect(UnixDomainSocketAddress.of(path));
    return client;
  }

  private static String ask(SocketChannel client, BufferedReader reader, String request)
      throws IOException {
    client.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8)));
    return String.valueOf(reader.readLine());
  }

  private String ask(String request) throws IOException {
    try (SocketChannel client = connect()) {
      return ask(client, reader(client), request);
    }
  }

  private static BufferedReader reader(SocketChannel client) {
    return new BufferedReader(Channels.newReader(client, StandardCharsets.UTF_8));
  }

  @Test
  void aPlainPathIsAnsweredByTheStoredOne() throws IOException {
    assertEquals(
        "{\"Result\":\"DIR/FILE\",\"ErrNo\":0,\"ErrText\":\"\",\"WarnText\":\"\"}",
        ask("{\"EncryptPath\":\"dir/file\"}"));
  }

  @Test
  void aStoredPathIsAnsweredByThePlainOne() throws IOException {
    assertEquals(
        "{\"Result\":\"dir/file\",\"ErrNo\":0,\"ErrText\":\"\",\"WarnText\":\"\"}",
        ask("{\"DecryptPath\":\"DIR/FILE\"}"));
  }

  @Test
  void oneConnectionAsksMoreThanOnce() throws IOException {
    try (SocketChannel client = connect()) {
      BufferedReader reader = reader(client);
      for (int i = 0; i < 100; i++) {
        String answer = ask(client, reader, "{\"EncryptPath\":\"a" + i + "\"}");
        assertTrue(answer.startsWith("{\"Result\":\"A" + i + "\""), answer);
      }
    }
  }

  @Test
  void anOddPathIsAnsweredWithAWarning() throws IOException {
    String answer = ask("{\"EncryptPath\":\"/dir//x/../file/\"}");
    assertTrue(answer.startsWith("{\"Result\":\"DIR/FILE\",\"ErrNo\":0,"), answer);
    assertTrue(answer.contains("Non-canonical input path"), answer);
  }

  @Test
  void anErrorIsAnsweredByItsNumber() throws IOException {
    assertTrue(ask("{\"EncryptPath\":\"missing\"}").contains("\"ErrNo\":2,"));
    assertTrue(ask("{\"EncryptPath\":\"bug\"}").contains("\"ErrNo\":5,"));
  }

  @Test
  void aRequestThatMakesNoSenseIsRefused() throws IOException {
    for (String request :
        new String[] {
          "{}",
          "[]",
          "7",
          "{\"EncryptPath\":7}",
          "{\"EncryptPath\":\"a\",\"DecryptPath\":\"b\"}",
          "{\"EncryptPath\":\"\"}",
          "{\"EncryptPath\":\"/\"}",
          "{\"EncryptPath\":\"a\"",
          "no json",
          "\0\1\2"
        }) {
      assertTrue(ask(request).contains("\"ErrNo\":22,"), request);
    }
  }

  @Test
  void aRequestThatIsTooLongIsRefused() throws IOException {
    String answer = ask("{\"EncryptPath\":\"" + "a".repeat(6000) + "\"}");
    assertTrue(answer.contains("request too big"), answer);
  }

  @Test
  void randomBytesNeverEndInAnythingButAnAnswer() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    byte[] sample = "{\"EncryptPath\":\"a\",\"x\":[1,{}]}".getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 5000; i++) {
      byte[] request = sample.clone();
      for (int j = random.nextInt(4); j >= 0; j--) {
        request[random.nextInt(request.length)] = (byte) random.nextInt();
      }
      ControlSocket.Answer answer = ControlSocket.answer(request, request.length, CAPITALS);
      assertTrue(answer.errno() >= 0, "seed " + seed);
    }
  }

  @Test
  void onlyItsOwnerMayUseIt() throws IOException {
    assertEquals(PosixFilePermissions.fromString("rw-------"), Files.getPosixFilePermissions(path));
  }

  @Nested
  class ASocketThatIsThereAlready {
    @Test
    void isReplacedIfNobodyListens() throws IOException {
      Path stale = directory.resolve("stale");
      try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
        server.bind(UnixDomainSocketAddress.of(stale));
      }
      assertTrue(Files.exists(stale));
      ControlSocket.open(stale, CAPITALS).close();
      assertFalse(Files.exists(stale));
    }

    @Test
    void isNotTakenFromAnotherMount() {
      assertThrows(IOException.class, () -> ControlSocket.open(path, CAPITALS));
      assertTrue(Files.exists(path));
    }
  }
}
