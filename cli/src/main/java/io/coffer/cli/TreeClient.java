package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** Asks the process behind a mounted view about its trees; see {@code io.coffer.mount}. */
final class TreeClient {
  private static final byte[] CONTROL = "coffer.control".getBytes(StandardCharsets.US_ASCII);
  private static final JsonFactory JSON = new JsonFactory();
  private static final int MOST_ANSWER_BYTES = 16 << 20;

  /** A tree as the view tells of it; null members if it has no policy. */
  record Tree(
      boolean encrypted,
      @Nullable String contents,
      @Nullable String names,
      @Nullable String padding,
      @Nullable String identifier,
      @Nullable String status) {}

  /** A key as the view tells of it. */
  record Key(
      String identifier,
      String status,
      List<String> users,
      String busyCount,
      List<String> busyFiles) {}

  /** What a lock has done. */
  record Locked(boolean otherUsers, List<String> busyFiles) {}

  private final Path path;
  private final Path mountPoint;
  private final String relative;
  private final Path socket;

  private TreeClient(Path path, Path mountPoint, String relative, Path socket) {
    this.path = path;
    this.mountPoint = mountPoint;
    this.relative = relative;
    this.socket = socket;
  }

  /** Finds the view that a path is in. */
  static TreeClient at(Path path) throws CommandException, IOException {
    TreeClient client = find(path);
    if (client == null) {
      throw new CommandException(
          ExitCode.USAGE,
          path + " is in no mounted view of a volume with policies",
          "coffer mount --help");
    }
    return client;
  }

  /** Finds the view that a path is in; null if it is in none. */
  static @Nullable TreeClient find(Path path) throws CommandException, IOException {
    if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      throw new CommandException(ExitCode.USAGE, path + " does not exist");
    }
    // The last component is taken as it is: it may be a symbolic link, even one that is locked.
    Path absolute = path.toAbsolutePath().normalize();
    Path parent = absolute.getParent();
    Path name = absolute.getFileName();
    Path real =
        parent == null || name == null || Files.isDirectory(absolute)
            ? absolute.toRealPath()
            : parent.toRealPath().resolve(name);
    Path point = Path.of("/");
    String inside = "/";
    boolean view = false;
    for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
      // proc(5): ID parent major:minor root mount-point options ... - type source options
      String[] fields = line.split(" ", -1);
      Path at = Path.of(UnmountCommand.unescape(fields[4]));
      if (real.startsWith(at) && at.getNameCount() >= point.getNameCount()) {
        point = at;
        inside = UnmountCommand.unescape(fields[3]);
        view = line.contains(" - fuse.coffer ");
      }
    }
    if (!view) {
      return null;
    }
    Path below = Path.of(inside).resolve(point.relativize(real).toString());
    return new TreeClient(path, point, below.toString().substring(1), socketOf(path, real));
  }

  private static Path socketOf(Path path, Path real) throws CommandException, IOException {
    Path parent = real.getParent();
    Path directory = Files.isDirectory(real) || parent == null ? real : parent;
    int descriptor =
        Linux.open(
            Flags.AT_FDCWD,
            directory.toString().getBytes(StandardCharsets.UTF_8),
            Flags.O_RDONLY | Flags.O_DIRECTORY,
            0);
    byte[] socket;
    try {
      socket = Linux.getXattr(descriptor, CONTROL);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EOPNOTSUPP && e.errno() != Errno.ENODATA) {
        throw e;
      }
      socket = null;
    } finally {
      Linux.close(descriptor);
    }
    if (socket == null) {
      throw new CommandException(
          ExitCode.USAGE, path + " is in the view of a volume that has no policies");
    }
    return Path.of(new String(socket, StandardCharsets.UTF_8));
  }

  Path mountPoint() {
    return mountPoint;
  }

  /** Is the path the root of the view's volume? */
  boolean isRoot() {
    return relative.isEmpty();
  }

  private String hexPath() {
    return HexFormat.of().formatHex(relative.getBytes(StandardCharsets.UTF_8));
  }

  /** The tree that the path is in. */
  Tree tree() throws CommandException, IOException {
    Map<String, Object> answer = ask(Map.of("op", "status", "path", hexPath()), null);
    return new Tree(
        Boolean.TRUE.equals(answer.get("encrypted")),
        text(answer, "contents"),
        text(answer, "names"),
        text(answer, "padding"),
        text(answer, "identifier"),
        text(answer, "status"));
  }

  /** All keys that are there. */
  List<Key> keys() throws CommandException, IOException {
    var keys = new ArrayList<Key>();
    if (ask(Map.of("op", "keys"), null).get("keys") instanceof List<?> all) {
      for (Object each : all) {
        if (each instanceof Map<?, ?> key) {
          keys.add(
              new Key(
                  String.valueOf(key.get("identifier")),
                  String.valueOf(key.get("status")),
                  texts(key.get("users")),
                  String.valueOf(key.get("busyCount")),
                  texts(key.get("busyFiles"))));
        }
      }
    }
    return keys;
  }

  /** What the volume keeps of its keys. */
  PolicyVolume volume() throws CommandException, VolumeException, IOException {
    Map<String, Object> answer = ask(Map.of("op", "metadata"), null);
    String metadata = String.valueOf(answer.get("metadata"));
    Path file = Path.of(String.valueOf(answer.get("file")));
    Path directory = file.getParent();
    return new PolicyVolume(
        directory == null ? file : directory,
        FscryptVolume.parse(metadata.getBytes(StandardCharsets.UTF_8)));
  }

  /** Where the path is stored. */
  Path stored() throws CommandException, IOException {
    Map<String, Object> answer = ask(Map.of("op", "stored", "path", hexPath()), null);
    byte[] below = HexFormat.of().parseHex(String.valueOf(answer.get("path")));
    return Path.of(String.valueOf(answer.get("store")))
        .resolve(new String(below, StandardCharsets.UTF_8));
  }

  /** Gives a key; returns its identifier. */
  String unlock(SecretBytes key) throws CommandException, IOException {
    String length = Integer.toString(key.length());
    return String.valueOf(text(ask(Map.of("op", "unlock", "secret", length), key), "identifier"));
  }

  /** Gives up a key. */
  Locked lock(String identifier, boolean everybody, boolean strict)
      throws CommandException, IOException {
    Map<String, Object> answer =
        ask(
            Map.of(
                "op",
                "lock",
                "identifier",
                identifier,
                "everybody",
                Boolean.toString(everybody),
                "strict",
                Boolean.toString(strict)),
            null);
    return new Locked(
        Boolean.TRUE.equals(answer.get("otherUsers")), texts(answer.get("busyFiles")));
  }

  /** Gives the directory a policy. */
  void setPolicy(String identifier, String contents, String names, int padding)
      throws CommandException, IOException {
    ask(
        Map.of(
            "op",
            "setPolicy",
            "path",
            hexPath(),
            "identifier",
            identifier,
            "contents",
            contents,
            "names",
            names,
            "padding",
            Integer.toString(padding)),
        null);
  }

  private static @Nullable String text(Map<String, Object> answer, String name) {
    Object value = answer.get(name);
    return value == null ? null : value.toString();
  }

  private static List<String> texts(@Nullable Object list) {
    return list instanceof List<?> all ? all.stream().map(String::valueOf).toList() : List.of();
  }

  private Map<String, Object> ask(Map<String, String> request, @Nullable SecretBytes secret)
      throws CommandException, IOException {
    var line = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), line)) {
      json.writeStartObject();
      request.forEach(json::writeStringProperty);
      json.writeEndObject();
    }
    line.write('\n');
    byte[] bytes;
    try (var channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      writeAll(channel, ByteBuffer.wrap(line.toByteArray()));
      if (secret != null) {
        secret.<@Nullable Void, IOException>read(key -> {
          writeAll(channel, ByteBuffer.wrap(key));
          return null;
        });
      }
      bytes = Channels.newInputStream(channel).readNBytes(MOST_ANSWER_BYTES);
    } catch (IOException e) {
      throw new CommandException(
          ExitCode.OTHER,
          "the process behind " + mountPoint + " cannot be asked: " + e.getMessage());
    }
    Map<String, Object> answer;
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), bytes)) {
      parser.nextToken();
      answer = object(parser);
    } catch (JacksonException e) {
      throw new CommandException(
          ExitCode.OTHER, "the process behind " + mountPoint + " gave no answer");
    }
    Object error = answer.get("error");
    if (error != null) {
      throw refused(Integer.parseInt(error.toString()), String.valueOf(answer.get("message")));
    }
    return answer;
  }

  private static void writeAll(SocketChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private CommandException refused(int errno, String message) {
    return new CommandException(
        ExitCode.OTHER,
        switch (errno) {
          case Errno.ENOKEY -> path + ": the key is not there, or not claimed by you";
          case Errno.EEXIST -> path + " has another policy already";
          case Errno.ENOTEMPTY -> path + " is not empty; only an empty directory gets a policy";
          case Errno.ENOTDIR -> path + " is not a directory";
          case Errno.EACCES -> path + ": only the owner may do this";
          default -> path + ": " + message;
        },
        errno == Errno.ENOKEY ? "coffer unlock " + Shell.quote(path.toString()) : null);
  }

  private static Map<String, Object> object(JsonParser parser) {
    var members = new LinkedHashMap<String, Object>();
    while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      members.put(name, value(parser));
    }
    return members;
  }

  private static Object value(JsonParser parser) {
    return switch (parser.currentToken()) {
      case START_OBJECT -> object(parser);
      case START_ARRAY -> {
        var all = new ArrayList<Object>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          all.add(value(parser));
        }
        yield all;
      }
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case null, default -> parser.getString();
    };
  }
}
