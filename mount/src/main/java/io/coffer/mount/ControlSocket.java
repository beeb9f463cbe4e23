package io.coffer.mount;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.vfs.PathTranslator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.Deque;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.exc.StreamReadException;
import tools.jackson.core.json.JsonFactory;

/**
 * gocryptfs's control socket: a stream socket on which a client sends a JSON object, {@code
 * {"EncryptPath": PATH}} or {@code {"DecryptPath": PATH}}, of less than 5000 bytes, and gets {@code
 * {"Result": PATH, "ErrNo": N, "ErrText": ..., "WarnText": ...}} and a newline; then the next.
 * Readable and writable by the mounting user alone. Source: gocryptfs, ctlsock and
 * internal/ctlsocksrv.
 */
final class ControlSocket implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.mount");
  private static final int MOST_REQUEST_BYTES = 5000;
  private static final JsonFactory JSON = new JsonFactory();

  /** One answer. */
  record Answer(String result, int errno, String errorText, String warning) {}

  private final Path path;
  private final ServerSocketChannel server;
  private final PathTranslator paths;

  private ControlSocket(Path path, ServerSocketChannel server, PathTranslator paths) {
    this.path = path;
    this.server = server;
    this.paths = paths;
  }

  /** Opens the socket; one that nobody listens to any more is replaced. */
  static ControlSocket open(Path path, PathTranslator paths) throws IOException {
    Path absolute = path.toAbsolutePath();
    var address = UnixDomainSocketAddress.of(absolute);
    if (Files.exists(absolute)) {
      try (var probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
        probe.connect(address);
        throw new IOException("another mount listens there");
      } catch (java.net.ConnectException e) {
        Files.delete(absolute);
      }
    }
    var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    // Nobody else may connect between its making and the change of its mode.
    int mask = Processes.umask(0177);
    try {
      server.bind(address);
      Files.setPosixFilePermissions(absolute, PosixFilePermissions.fromString("rw-------"));
    } catch (IOException e) {
      server.close();
      throw e;
    } finally {
      Processes.umask(mask);
    }
    var socket = new ControlSocket(absolute, server, paths);
    Thread.ofPlatform().daemon().name("control-socket").start(socket::acceptAll);
    return socket;
  }

  private void acceptAll() {
    while (true) {
      try {
        SocketChannel client = server.accept();
        Thread.ofVirtual().name("control-client").start(() -> serve(client));
      } catch (ClosedChannelException e) {
        return;
      } catch (IOException e) {
        LOG.log(System.Logger.Level.WARNING, "control socket: {0}", e.getMessage());
        return;
      }
    }
  }

  private void serve(SocketChannel client) {
    try (client) {
      ByteBuffer buffer = ByteBuffer.allocate(MOST_REQUEST_BYTES);
      while (true) {
        buffer.clear();
        int count = client.read(buffer);
        if (count < 0) {
          return;
        }
        Answer answer =
            buffer.hasRemaining()
                ? answer(buffer.array(), count, paths)
                : new Answer(
                    "", Errno.EINVAL, "request too big (max = " + MOST_REQUEST_BYTES + ")", "");
        Channels.newOutputStream(client).write(encode(answer));
        if (!buffer.hasRemaining()) {
          return;
        }
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "control client: {0}", e.getMessage());
    }
  }

  /** The answer to one request; never throws, whatever the bytes. */
  static Answer answer(byte[] request, int length, PathTranslator paths) {
    String encrypt = null;
    String decrypt = null;
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), request, 0, length)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return failure(Errno.EINVAL, "JSON Unmarshal error: not an object");
      }
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String key = parser.currentName();
        JsonToken value = parser.nextToken();
        if (value == JsonToken.VALUE_STRING && key.equals("EncryptPath")) {
          encrypt = parser.getString();
        } else if (value == JsonToken.VALUE_STRING && key.equals("DecryptPath")) {
          decrypt = parser.getString();
        } else {
          parser.skipChildren();
        }
      }
    } catch (StreamReadException e) {
      return failure(Errno.EINVAL, "JSON Unmarshal error: " + e.getOriginalMessage());
    } catch (RuntimeException e) {
      return failure(Errno.EINVAL, "JSON Unmarshal error");
    }
    boolean wantsEncrypt = encrypt != null && !encrypt.isEmpty();
    boolean wantsDecrypt = decrypt != null && !decrypt.isEmpty();
    if (wantsEncrypt && wantsDecrypt) {
      return failure(Errno.EINVAL, "Ambiguous");
    }
    String asked = wantsEncrypt ? encrypt : decrypt;
    if (asked == null || asked.isEmpty()) {
      return failure(Errno.EINVAL, "No operation in request");
    }
    String clean = canonical(asked);
    String warning =
        clean.equals(asked)
            ? ""
            : "Non-canonical input path '" + asked + "' has been interpreted as '" + clean + "'.";
    if (clean.isEmpty()) {
      return new Answer("", Errno.EINVAL, "Empty input after canonicalization", warning);
    }
    byte[] path = clean.getBytes(StandardCharsets.UTF_8);
    try {
      byte[] result = wantsEncrypt ? paths.encryptPath(path) : paths.decryptPath(path);
      return new Answer(new String(result, StandardCharsets.UTF_8), 0, "", warning);
    } catch (ErrnoException e) {
      return new Answer("", e.errno(), e.getMessage(), warning);
    } catch (RuntimeException e) {
      // Not the message, which could hold a path.
      LOG.log(
          System.Logger.Level.ERROR,
          "a request at the control socket failed unexpectedly: {0}",
          e.getClass().getName());
      return new Answer("", Errno.EIO, "internal error", warning);
    }
  }

  private static Answer failure(int errno, String text) {
    return new Answer("", errno, text, "");
  }

  /** The path without empty, "." and ".." components; ".." cannot leave the root. */
  private static String canonical(String path) {
    Deque<String> parts = new ArrayDeque<>();
    for (String part : path.split("/", -1)) {
      if (part.equals("..")) {
        parts.pollLast();
      } else if (!part.isEmpty() && !part.equals(".")) {
        parts.addLast(part);
      }
    }
    return String.join("/", parts);
  }

  private static byte[] encode(Answer answer) {
    var out = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
      json.writeStartObject();
      json.writeStringProperty("Result", answer.result());
      json.writeNumberProperty("ErrNo", answer.errno());
      json.writeStringProperty("ErrText", answer.errorText());
      json.writeStringProperty("WarnText", answer.warning());
      json.writeEndObject();
    }
    out.write('\n');
    return out.toByteArray();
  }

  @Override
  public void close() {
    try {
      server.close();
      Files.deleteIfExists(path);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "control socket: {0}", e.getMessage());
    }
  }
}
