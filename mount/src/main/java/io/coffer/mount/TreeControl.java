package io.coffer.mount;

import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Linux;
import io.coffer.posix.LocalSocket;
import io.coffer.posix.LocalSocket.Peer;
import io.coffer.posix.Processes;
import io.coffer.vfs.PolicyFilesystem;
import io.coffer.vfs.PolicyFilesystem.KeyState;
import io.coffer.vfs.PolicyFilesystem.KeyStatus;
import io.coffer.vfs.PolicyFilesystem.Locked;
import io.coffer.vfs.PolicyFilesystem.TreeState;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * The socket by which trees of a mounted view are given policies, unlocked and locked.
 *
 * <p>One request a connection: a JSON object with string members on a line of at most {@value
 * #MOST_REQUEST_BYTES} bytes; if it has a member {@code secret}, that many bytes of a key follow.
 * The answer is a JSON object on a line: what was asked for, or {@code error} (an errno) and {@code
 * message}. Who asks is told by the kernel: only the mounting user and root may, and all others
 * where the view lets them in. A key belongs to the user who brought it.
 *
 * <pre>
 * op         members                                              answer
 * status     path                                                 encrypted, contents, names,
 *                                                                 padding, identifier, status
 * stored     path                                                 store, path below it
 * keys                                                            keys
 * unlock     secret                                               identifier
 * lock       identifier, everybody, strict                        otherUsers, busyFiles
 * setPolicy  path, identifier, contents, names, padding
 * metadata                                                        metadata, as text, and file
 * </pre>
 *
 * <p>A path is relative to the root of the view, in hexadecimal of its bytes.
 */
final class TreeControl implements AutoCloseable {
  /** Extended attribute of every object of the view that tells the socket's path. */
  static final byte[] ATTRIBUTE = "coffer.control".getBytes(StandardCharsets.US_ASCII);

  private static final System.Logger LOG = System.getLogger("io.coffer.mount");
  private static final JsonFactory JSON = new JsonFactory();
  private static final int MOST_REQUEST_BYTES = 65_536;
  private static final int MOST_KEY_BYTES = 64;
  private static final int MOST_CLIENTS = 16;
  private static final int TIMEOUT_SECONDS = 20;

  private final Path path;
  private final @Nullable Path ownDirectory;
  private final int socket;
  private final PolicyFilesystem files;
  private final Path store;
  private final Path metadata;
  private final boolean everybody;
  private final int owner;
  private final Semaphore clients = new Semaphore(MOST_CLIENTS);
  private volatile boolean closed;

  private TreeControl(
      Path path,
      @Nullable Path ownDirectory,
      int socket,
      MountedView.Trees trees,
      boolean everybody) {
    this.path = path;
    this.ownDirectory = ownDirectory;
    this.socket = socket;
    this.files = trees.files();
    this.store = trees.store();
    this.metadata = trees.metadata();
    this.everybody = everybody;
    this.owner = Credentials.effectiveUid();
  }

  /**
   * Opens a socket in a directory of this user's runtime files.
   *
   * @param everybody users other than the mounting one are let in
   */
  static TreeControl open(MountedView.Trees trees, boolean everybody) throws IOException {
    String runtime = System.getenv("XDG_RUNTIME_DIR");
    Path directory;
    Path own = null;
    if (Credentials.effectiveUid() == 0) {
      directory = made(Path.of("/run/coffer"), "rwxr-xr-x");
    } else if (runtime != null && !everybody && Files.isDirectory(Path.of(runtime))) {
      directory = made(Path.of(runtime, "coffer"), "rwx------");
    } else {
      own = Files.createTempDirectory("coffer-");
      directory = own;
      Files.setPosixFilePermissions(
          own, PosixFilePermissions.fromString(everybody ? "rwx--x--x" : "rwx------"));
    }
    Path path = directory.resolve(UUID.randomUUID() + ".sock");
    int mask = Processes.umask(everybody ? 0 : 0177);
    int socket;
    try {
      socket = LocalSocket.listen(path.toString());
      Files.setPosixFilePermissions(
          path, PosixFilePermissions.fromString(everybody ? "rw-rw-rw-" : "rw-------"));
    } finally {
      Processes.umask(mask);
    }
    var control = new TreeControl(path, own, socket, trees, everybody);
    Thread.ofPlatform().daemon().name("tree-control").start(control::acceptAll);
    return control;
  }

  private static Path made(Path directory, String permissions) throws IOException {
    Files.createDirectories(directory);
    if (Credentials.effectiveUid() == 0 || Files.isWritable(directory)) {
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString(permissions));
    }
    return directory;
  }

  /** Where the socket is. */
  byte[] path() {
    return path.toString().getBytes(StandardCharsets.UTF_8);
  }

  private void acceptAll() {
    while (!closed) {
      int client;
      try {
        client = LocalSocket.accept(socket);
      } catch (ErrnoException e) {
        if (!closed) {
          LOG.log(System.Logger.Level.WARNING, "control of trees: {0}", e.getMessage());
        }
        return;
      }
      clients.acquireUninterruptibly();
      Thread.ofPlatform()
          .daemon()
          .name("tree-control-client")
          .start(() -> {
            try {
              serve(client);
            } catch (ErrnoException e) {
              LOG.log(System.Logger.Level.DEBUG, "control of trees: {0}", e.getMessage());
            } finally {
              Linux.close(client);
              clients.release();
            }
          });
    }
  }

  private void serve(int client) throws ErrnoException {
    LocalSocket.limit(client, TIMEOUT_SECONDS);
    Peer peer = LocalSocket.peer(client);
    byte[] answer;
    if (!everybody && peer.uid() != 0 && peer.uid() != owner) {
      answer = failure(Errno.EACCES, "this view is another user's");
    } else {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment buffer = arena.allocate(MOST_REQUEST_BYTES);
        answer = answer(client, buffer, peer);
        buffer.fill((byte) 0);
      }
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(answer.length);
      MemorySegment.copy(answer, 0, out, ValueLayout.JAVA_BYTE, 0, answer.length);
      int done = 0;
      while (done < answer.length) {
        done += Linux.write(client, out.address() + done, answer.length - done);
      }
    }
  }

  /** Reads a request and answers it. */
  private byte[] answer(int client, MemorySegment buffer, Peer peer) throws ErrnoException {
    int used = 0;
    int line = -1;
    while (line < 0) {
      if (used == MOST_REQUEST_BYTES) {
        return failure(Errno.E2BIG, "the request is too long");
      }
      int read = Linux.read(client, buffer.address() + used, MOST_REQUEST_BYTES - used);
      if (read == 0) {
        return failure(Errno.EINVAL, "the request is not complete");
      }
      for (int i = used; i < used + read && line < 0; i++) {
        if (buffer.get(ValueLayout.JAVA_BYTE, i) == '\n') {
          line = i;
        }
      }
      used += read;
    }
    Map<String, String> request;
    try {
      request = parse(buffer.asSlice(0, line).toArray(ValueLayout.JAVA_BYTE));
      int secret = Integer.parseInt(request.getOrDefault("secret", "0"));
      if (secret < 0 || secret > MOST_KEY_BYTES) {
        return failure(Errno.EINVAL, "a key has at most 64 bytes");
      }
      int wanted = line + 1 + secret;
      while (used < wanted) {
        int read = Linux.read(client, buffer.address() + used, wanted - used);
        if (read == 0) {
          return failure(Errno.EINVAL, "the request is not complete");
        }
        used += read;
      }
      byte[] raw = buffer.asSlice(line + 1L, secret).toArray(ValueLayout.JAVA_BYTE);
      try {
        return handle(request, raw, peer.uid());
      } finally {
        Arrays.fill(raw, (byte) 0);
      }
    } catch (ErrnoException e) {
      return failure(e.errno(), e.getMessage());
    } catch (JacksonException | IllegalArgumentException e) {
      return failure(Errno.EINVAL, "the request is not valid");
    } catch (IOException e) {
      return failure(Errno.EIO, "the volume's metadata cannot be read");
    } catch (RuntimeException e) {
      LOG.log(
          System.Logger.Level.ERROR,
          "a request to the control of trees failed unexpectedly: {0}",
          e.getClass().getName());
      return failure(Errno.EIO, "internal error");
    }
  }

  private static Map<String, String> parse(byte[] json) {
    var members = new HashMap<String, String>();
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String name = parser.currentName();
        if (parser.nextToken() != JsonToken.VALUE_STRING) {
          throw new IllegalArgumentException("not a string");
        }
        members.put(name, parser.getString());
      }
    }
    return members;
  }

  private static String member(Map<String, String> request, String name) {
    String value = request.get(name);
    if (value == null) {
      throw new IllegalArgumentException(name + " is missing");
    }
    return value;
  }

  private static byte[] hex(Map<String, String> request, String name) {
    return HexFormat.of().parseHex(member(request, name));
  }

  private byte[] handle(Map<String, String> request, byte[] key, int user) throws IOException {
    boolean master = user == 0 || user == owner;
    return switch (member(request, "op")) {
      case "status" -> {
        TreeState state = files.tree(hex(request, "path"));
        yield object(json -> writeTree(json, state));
      }
      case "stored" -> {
        byte[] stored = files.encryptPath(hex(request, "path"));
        yield object(json -> {
          json.writeStringProperty("store", store.toString());
          json.writeStringProperty("path", HexFormat.of().formatHex(stored));
        });
      }
      case "keys" -> object(json -> writeKeys(json, user, master));
      case "unlock" -> {
        byte[] identifier = files.unlock(user, key);
        yield object(
            json -> json.writeStringProperty("identifier", HexFormat.of().formatHex(identifier)));
      }
      case "lock" -> {
        boolean everyone = Boolean.parseBoolean(request.get("everybody"));
        if (everyone && !master) {
          throw new ErrnoException(
              Errno.EACCES, "only root and the mounting user may lock for all");
        }
        Locked locked =
            files.lock(
                user,
                hex(request, "identifier"),
                everyone,
                Boolean.parseBoolean(request.get("strict")));
        yield object(json -> {
          json.writeBooleanProperty("otherUsers", locked.otherUsers());
          writeAll(json, "busyFiles", locked.busyFiles());
        });
      }
      case "setPolicy" -> {
        files.setPolicy(
            user,
            hex(request, "path"),
            member(request, "contents"),
            member(request, "names"),
            Integer.parseInt(member(request, "padding")),
            hex(request, "identifier"));
        yield object(json -> {});
      }
      case "metadata" -> {
        byte[] bytes = Files.readAllBytes(metadata);
        yield object(json -> {
          json.writeStringProperty("metadata", new String(bytes, StandardCharsets.UTF_8));
          json.writeStringProperty("file", metadata.toString());
        });
      }
      default -> throw new ErrnoException(Errno.EOPNOTSUPP, "there is no such request");
    };
  }

  private interface Members {
    void write(JsonGenerator json);
  }

  private static byte[] object(Members members) {
    var out = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
      json.writeStartObject();
      members.write(json);
      json.writeEndObject();
    }
    out.write('\n');
    return out.toByteArray();
  }

  private static byte[] failure(int errno, @Nullable String message) {
    return object(json -> {
      json.writeNumberProperty("error", errno);
      json.writeStringProperty("message", message == null ? "" : message);
    });
  }

  private static String text(KeyStatus status) {
    return switch (status) {
      case ABSENT -> "absent";
      case PRESENT -> "present";
      case INCOMPLETELY_REMOVED -> "incompletely removed";
    };
  }

  private static void writeTree(JsonGenerator json, TreeState state) {
    json.writeBooleanProperty("encrypted", state.isEncrypted());
    if (state.isEncrypted()) {
      json.writeStringProperty("contents", state.contents());
      json.writeStringProperty("names", state.names());
      json.writeNumberProperty("padding", state.padding());
      json.writeNumberProperty("dataUnitBytes", state.dataUnitBytes());
      json.writeStringProperty("identifier", HexFormat.of().formatHex(state.identifier()));
      json.writeStringProperty("status", text(state.status()));
    }
  }

  private void writeKeys(JsonGenerator json, int user, boolean master) {
    json.writeArrayPropertyStart("keys");
    for (KeyState each : files.keys()) {
      json.writeStartObject();
      json.writeStringProperty("identifier", HexFormat.of().formatHex(each.identifier()));
      json.writeStringProperty("status", text(each.status()));
      json.writeArrayPropertyStart("users");
      each.users().forEach(json::writeNumber);
      json.writeEndArray();
      // Names of files are for those who hold the key.
      boolean shown = master || each.users().contains(user);
      json.writeNumberProperty("busyCount", each.busyFiles().size());
      writeAll(json, "busyFiles", shown ? each.busyFiles() : List.of());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void writeAll(JsonGenerator json, String name, List<String> values) {
    json.writeArrayPropertyStart(name);
    values.forEach(json::writeString);
    json.writeEndArray();
  }

  @Override
  public void close() {
    closed = true;
    try {
      LocalSocket.shutdown(socket);
      Linux.close(socket);
      Files.deleteIfExists(path);
      if (ownDirectory != null) {
        Files.deleteIfExists(ownDirectory);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "control of trees: {0}", e.getMessage());
    }
  }

  /** Is this the attribute that tells where the socket is? */
  static boolean isAttribute(byte[] name) {
    return Arrays.equals(name, ATTRIBUTE);
  }
}
