package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.StoredFile;
import io.coffer.cli.Ui;
import io.coffer.cli.Version;
import io.coffer.cli.gocryptfs.Flags.FlagException;
import io.coffer.cli.gocryptfs.Flags.HelpException;
import io.coffer.cli.gocryptfs.Flags.Kind;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** gocryptfs-xray: shows a stored file, and translates paths by the control socket. */
public final class XrayMain {
  private static final int FAILED = 1;
  private static final int MOST_ANSWER_BYTES = 16 << 10;

  private static final String USAGE =
      """
      Usage: gocryptfs-xray [OPTIONS] FILE

      Options:
        -0               Use \\0 instead of \\n as separator
        -aessiv          Take the file for one of AES-SIV mode instead of AES-GCM
        -decrypt-paths   Decrypt paths by way of the control socket FILE
        -dumpmasterkey   Print the master key of the configuration FILE
        -encrypt-paths   Encrypt paths by way of the control socket FILE
        -version         Print version information
        -xchacha         Take the file for one of XChaCha20-Poly1305 mode

      Examples:
        gocryptfs-xray myfs/mCXnISiv7nEmyc0glGuhTQ
        gocryptfs-xray -dumpmasterkey myfs/gocryptfs.conf
        gocryptfs-xray -encrypt-paths myfs.sock
      """;

  private final Ui ui;

  /** Talks to the user through {@code ui}. */
  public XrayMain(Ui ui) {
    this.ui = ui;
  }

  /** Runs one command line and returns the exit code. */
  public int run(String[] args) {
    Flags flags =
        new Flags(
            Map.of(
                "0", Kind.BOOLEAN,
                "aessiv", Kind.BOOLEAN,
                "xchacha", Kind.BOOLEAN,
                "decrypt-paths", Kind.BOOLEAN,
                "encrypt-paths", Kind.BOOLEAN,
                "dumpmasterkey", Kind.BOOLEAN,
                "version", Kind.BOOLEAN));
    try {
      flags.parse(Arrays.asList(args));
      if (flags.isTrue("version")) {
        ui.out().println(version());
        return 0;
      }
      if (flags.positional().size() != 1) {
        ui.out().println(version());
        ui.out().println();
        ui.err().print(USAGE);
        return FAILED;
      }
      return run(flags, Path.of(flags.positional().getFirst()));
    } catch (HelpException e) {
      ui.out().println(version());
      ui.out().println();
      ui.err().print(USAGE);
      return 0;
    } catch (FlagException e) {
      ui.err().println(e.getMessage());
      return 2;
    } catch (IOException e) {
      ui.err().println(e.getMessage());
      return FAILED;
    } catch (VolumeException e) {
      if (e.problem() == Problem.WRONG_PASSWORD) {
        ui.err().println("failed to unlock master key: cipher: message authentication failed");
      }
      ui.err().println(e.getMessage());
      return ExitCode.LOAD_CONFIG.number();
    }
  }

  private static String version() {
    return "gocryptfs-xray "
        + Version.GOCRYPTFS
        + "; Coffer "
        + Version.NUMBER
        + "; "
        + Version.platform();
  }

  private int run(Flags flags, Path file) throws IOException, VolumeException {
    if (flags.isTrue("dumpmasterkey")) {
      dumpMasterKey(file);
      return 0;
    }
    if (flags.isTrue("encrypt-paths") || flags.isTrue("decrypt-paths")) {
      return translate(file, flags.isTrue("encrypt-paths"), flags.isTrue("0") ? 0 : '\n');
    }
    GocryptfsCipher cipher =
        flags.isTrue("aessiv")
            ? GocryptfsCipher.AES_SIV
            : flags.isTrue("xchacha")
                ? GocryptfsCipher.XCHACHA20_POLY1305
                : GocryptfsCipher.AES_GCM;
    return show(file, cipher);
  }

  private void dumpMasterKey(Path config) throws VolumeException {
    GocryptfsVolume volume = GocryptfsVolume.load(config);
    try (SecretBytes password = ui.typedPassword("Password: ").read();
        SecretBytes masterKey = volume.unlock(password)) {
      masterKey.read(key -> {
        for (byte b : key) {
          ui.out().write(Character.forDigit(b >> 4 & 0xf, 16));
          ui.out().write(Character.forDigit(b & 0xf, 16));
        }
        return 0;
      });
      ui.out().println();
    }
  }

  private int show(Path file, GocryptfsCipher cipher) throws IOException {
    HexFormat hex = HexFormat.of();
    PrintStream out = ui.out();
    byte[] header;
    try {
      header = StoredFile.header(file);
    } catch (IOException e) {
      ui.err().println(GoText.pathError("open", file, e));
      return FAILED;
    }
    if (header.length == 0) {
      out.println("empty file");
      return 0;
    }
    if (header.length < StoredFile.HEADER_BYTES) {
      ui.err()
          .println(
              "incomplete file header: read "
                  + header.length
                  + " bytes, want "
                  + StoredFile.HEADER_BYTES);
      return FAILED;
    }
    int version = (header[0] & 0xff) << 8 | (header[1] & 0xff);
    if (version != 2) {
      ui.err()
          .println(
              "ParseHeader: invalid version, want=2 have="
                  + version
                  + ". Header hexdump: "
                  + hex.formatHex(header));
      return FAILED;
    }
    out.printf(
        "Header: Version: %d, Id: %s, assuming %s mode%n",
        version, hex.formatHex(header, 2, header.length), cipher.displayName());
    StoredFile.blocks(
        file,
        cipher,
        block ->
            out.printf(
                "Block %2d: IV: %s, Tag: %s, Offset: %5d Len: %d%n",
                block.index(), block.nonce(), block.tag(), block.offset(), block.length()));
    return 0;
  }

  /** Reads paths from standard input and prints what the mount behind the socket makes of them. */
  private int translate(Path socket, boolean encrypt, int separator) throws IOException {
    int failures = 0;
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      InputStream in = ui.in();
      var path = new java.io.ByteArrayOutputStream();
      for (int b = in.read(); ; b = in.read()) {
        if (b >= 0 && b != separator) {
          path.write(b);
          continue;
        }
        if (path.size() > 0) {
          failures += ask(channel, path.toString(StandardCharsets.UTF_8), encrypt, separator);
          path.reset();
        }
        if (b < 0) {
          return failures == 0 ? 0 : FAILED;
        }
      }
    }
  }

  private int ask(SocketChannel channel, String path, boolean encrypt, int separator)
      throws IOException {
    JsonFactory json = new JsonFactory();
    var request = new java.io.ByteArrayOutputStream();
    try (JsonGenerator g = json.createGenerator(ObjectWriteContext.empty(), request)) {
      g.writeStartObject();
      g.writeStringProperty(encrypt ? "EncryptPath" : "DecryptPath", path);
      g.writeEndObject();
    }
    ByteBuffer out = ByteBuffer.wrap(request.toByteArray());
    while (out.hasRemaining()) {
      channel.write(out);
    }
    ByteBuffer answer = ByteBuffer.allocate(MOST_ANSWER_BYTES);
    while (answer.position() == 0 || answer.get(answer.position() - 1) != '\n') {
      if (!answer.hasRemaining() || channel.read(answer) < 0) {
        throw new IOException("the mount closed the control socket");
      }
    }
    String result = "";
    String error = "";
    try (JsonParser parser =
        json.createParser(ObjectReadContext.empty(), answer.array(), 0, answer.position())) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        if (List.of("Result", "ErrText").contains(name)) {
          String value = String.valueOf(parser.getValueAsString());
          if (name.equals("Result")) {
            result = value;
          } else {
            error = value;
          }
        }
      }
    }
    if (!error.isEmpty()) {
      ui.err().println(GoText.quoted(path) + ": " + error);
    }
    ui.out().print(result);
    ui.out().write(separator);
    ui.out().flush();
    return error.isEmpty() ? 0 : 1;
  }
}
