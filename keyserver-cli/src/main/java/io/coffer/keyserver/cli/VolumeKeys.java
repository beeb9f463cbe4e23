package io.coffer.keyserver.cli;

import io.coffer.cli.KeyService;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;

/**
 * Passwords of volumes from a key server: the base64 of a key, of which the volume's configuration
 * makes what it makes of any password. The reference is a JSON object: {@code url}, {@code
 * authority}, {@code certificate}, {@code key} and {@code token} (files, relative to the
 * reference), {@code service}, {@code owner}, {@code id}, {@code version} (1 if left out), and
 * {@code tpm} for an endpoint that is registered with one (a device or tcp:HOST:PORT).
 */
public final class VolumeKeys implements KeyService {
  private static final int MOST_ATTEMPTS = 20;

  /** How long the token of a volume that was just made is good. */
  private static final int FIRST_TOKEN_SECONDS = 3600;

  private record Reference(KeyClient.Settings settings, JsonObject json, Path file) {
    static Reference read(Path file) throws IOException {
      try {
        JsonObject json = JsonObject.parse(Files.readAllBytes(file), Set.of());
        json.allow(
            "url",
            "urls",
            "authority",
            "certificate",
            "key",
            "token",
            "service",
            "owner",
            "id",
            "version",
            "tpm",
            "server_uid");
        return new Reference(
            new KeyClient.Settings(
                json.has("urls")
                    ? json.strings("urls").stream().map(URI::create).toList()
                    : List.of(URI.create(json.string("url"))),
                Pem.readCertificate(file.resolveSibling(json.string("authority"))),
                Pem.readCertificate(file.resolveSibling(json.string("certificate"))),
                Pem.readPrivateKey(file.resolveSibling(json.string("key")), "EC"),
                1,
                json.optionalString("tpm")),
            json,
            file);
      } catch (JsonException | IllegalArgumentException e) {
        throw new IOException("the key reference " + file + ": " + e.getMessage(), e);
      }
    }

    /** The key that it names. */
    KeyClient.Key key() throws IOException {
      try {
        return VolumeKeys.key(json);
      } catch (JsonException e) {
        throw new IOException("the key reference " + file + ": " + e.getMessage(), e);
      }
    }

    KeyClient open(KeyClient.Listener listener) throws IOException {
      Path token;
      try {
        token = file.resolveSibling(json.string("token"));
      } catch (JsonException e) {
        throw new IOException("the key reference " + file + ": " + e.getMessage(), e);
      }
      try (SecretBytes secret = SecretBytes.take(Files.readAllBytes(token))) {
        return KeyClient.open(settings, secret, listener);
      }
    }
  }

  private static KeyClient.Key key(JsonObject json) throws JsonException {
    return new KeyClient.Key(
        json.string("service"),
        json.string("owner"),
        json.string("id"),
        (int) json.integer("version", 1, Integer.MAX_VALUE, 1));
  }

  private static VolumeException refused(Exception e) {
    String message =
        e instanceof java.nio.file.NoSuchFileException missing
            ? missing.getFile() + " does not exist"
            : String.valueOf(e.getMessage());
    return new VolumeException(
        VolumeException.Problem.PASSWORD_UNREADABLE,
        "no key from the key service: " + message,
        null,
        e);
  }

  @Override
  public List<String> create(NewKey wanted) throws VolumeException {
    Path token = wanted.reference().resolveSibling(wanted.reference().getFileName() + ".token");
    try {
      for (Path file : List.of(wanted.reference(), token)) {
        if (Files.exists(file)) {
          throw new IOException(file + " exists already; name another with --reference");
        }
      }
      URI url = Unreachable.address(wanted.url());
      if (!Files.exists(wanted.machine())) {
        throw new IOException(
            wanted.machine()
                + " does not exist; it says how this node shows itself to the key service, and"
                + " COFFER_KEY_SERVICE can name another (docs/key-service.md)");
      }
      Reference machine = Reference.read(wanted.machine());
      Identity node =
          Identity.of(machine.settings().certificate())
              .orElseThrow(() -> new IOException("the node's certificate carries no identity"));
      Path certificate = wanted.certificate();
      Path key =
          certificate.resolveSibling(
              certificate.getFileName().toString().replaceAll("\\.pem$", "") + ".key");
      KeyClient.Settings owner =
          new KeyClient.Settings(
              List.of(url),
              machine.settings().authority(),
              Pem.readCertificate(certificate),
              Pem.readPrivateKey(key, "EC"),
              1,
              null);
      String box = "/v1/services/" + wanted.service() + "/owners/" + wanted.owner() + "/keys";
      String id = makeKey(owner, box, wanted);
      try {
        JsonObject issued =
            KeyClient.ask(
                owner,
                "POST",
                "/v1/tokens",
                new JsonObject()
                    .put("presenter", node.toString())
                    .put("keys", List.of(id))
                    .put("seconds", FIRST_TOKEN_SECONDS));
        DurableFiles.writePrivate(
            token, issued.string("token").getBytes(StandardCharsets.US_ASCII));
        DurableFiles.writePrivate(wanted.reference(), reference(machine, url, wanted, token, id));
        password(wanted.reference()).close();
        return List.of(
            "made the key " + id + " of " + wanted.owner() + " for " + wanted.service(),
            "wrote "
                + wanted.reference()
                + ", and a token that is good until "
                + issued.string("expires"),
            "  The next token: coffer keyserver token --cert "
                + certificate
                + " --for "
                + node
                + " --id "
                + id
                + " --out "
                + token
                + " KEYSERVER-DIR");
      } catch (IOException | JsonException | IllegalArgumentException e) {
        try {
          Files.deleteIfExists(token);
          Files.deleteIfExists(wanted.reference());
          KeyClient.ask(owner, "DELETE", box + "/" + id, null);
        } catch (IOException again) {
          throw new IOException(
              e.getMessage()
                  + "; the key "
                  + id
                  + " that was made for it stays in "
                  + box
                  + ", for what was begun cannot be taken back: "
                  + again.getMessage(),
              e);
        }
        throw e;
      }
    } catch (Failure e) {
      throw refused(e);
    } catch (IOException | JsonException | IllegalArgumentException e) {
      throw refused(e);
    }
  }

  /** A double key; the owner's half is made first, if there is none. */
  private static String makeKey(KeyClient.Settings owner, String box, NewKey wanted)
      throws IOException, JsonException {
    JsonObject request = new JsonObject().put("name", wanted.name()).put("double", true);
    try {
      return KeyClient.ask(owner, "POST", box, request).string("id");
    } catch (KeyServiceException e) {
      if (e.status() != 409) {
        throw e;
      }
    }
    KeyClient.ask(owner, "POST", "/v1/owners/" + wanted.owner() + "/key", null);
    return KeyClient.ask(owner, "POST", box, request).string("id");
  }

  private static byte[] reference(Reference machine, URI url, NewKey wanted, Path token, String id)
      throws JsonException {
    JsonObject json = new JsonObject();
    List<URI> known = machine.settings().urls();
    if (known.contains(url)) {
      json.put("urls", known.stream().map(URI::toString).toList());
    } else {
      json.put("url", url.toString());
    }
    for (String file : List.of("authority", "certificate", "key")) {
      Path named = machine.file().resolveSibling(machine.json().string(file));
      json.put(file, named.toAbsolutePath().normalize().toString());
    }
    if (machine.json().has("tpm")) {
      json.put("tpm", machine.json().string("tpm"));
    }
    return json.put("token", String.valueOf(token.getFileName()))
        .put("service", wanted.service())
        .put("owner", wanted.owner())
        .put("id", id)
        .put("version", 1)
        .toBytes();
  }

  @Override
  public Ticket ticket(Path reference, int uid, int nodes, Duration time) throws VolumeException {
    try {
      Reference read = Reference.read(reference);
      KeyClient.Key key = read.key();
      JsonObject answer =
          KeyClient.ask(
              read.settings(),
              "POST",
              "/v1/tickets",
              new JsonObject()
                  .put("user", "client:uid-" + uid)
                  .put("service", key.service())
                  .put("owner", key.owner())
                  .put("key", key.id())
                  .put("nodes", nodes)
                  .put("seconds", time.toSeconds()));
      JsonObject text =
          new JsonObject()
              .put("ticket", answer.string("ticket"))
              .put("service", key.service())
              .put("owner", key.owner())
              .put("id", key.id())
              .put("version", key.version());
      return new Ticket(
          answer.string("id"),
          answer.string("expires"),
          Base64.getEncoder().encodeToString(text.toBytes()));
    } catch (IOException | JsonException e) {
      throw refused(e);
    }
  }

  @Override
  public void revokeTicket(Path reference, String id) throws VolumeException {
    try {
      Reference read = Reference.read(reference);
      KeyClient.ask(read.settings(), "DELETE", "/v1/tickets/" + id, null);
    } catch (IOException e) {
      throw refused(e);
    }
  }

  @Override
  public Held redeem(
      Path machine, String ticket, String job, Munge munge, Consumer<String> withdrawn)
      throws VolumeException {
    try {
      Reference read = Reference.read(machine);
      JsonObject shown = JsonObject.parse(Base64.getDecoder().decode(ticket), Set.of());
      KeyClient.Key key = key(shown);
      Identity node =
          Identity.of(read.settings().certificate())
              .orElseThrow(() -> new IOException("the node's certificate carries no identity"));
      int server = (int) read.json().integer("server_uid", 0, Integer.MAX_VALUE, 0);
      JsonObject token = redeem(read.settings(), shown, job, node, server, munge);
      KeyClient client;
      try (SecretBytes secret =
          SecretBytes.take(token.string("token").getBytes(StandardCharsets.US_ASCII))) {
        client =
            KeyClient.open(read.settings(), secret, (which, reason) -> withdrawn.accept(reason));
      }
      return new Held() {
        @Override
        public SecretBytes password() throws VolumeException {
          try (SecretBytes value = client.key(key)) {
            return SecretBytes.take(value.read(Base64.getEncoder()::encode));
          } catch (IOException e) {
            throw refused(e);
          }
        }

        @Override
        public void close() {
          client.close();
        }
      };
    } catch (IOException | JsonException | IllegalArgumentException e) {
      throw refused(e);
    }
  }

  /** Several nodes of a job come at the same moment, and all but one are asked to come again. */
  private static JsonObject redeem(
      KeyClient.Settings settings,
      JsonObject shown,
      String job,
      Identity node,
      int server,
      Munge munge)
      throws IOException, JsonException {
    for (int left = MOST_ATTEMPTS; ; left--) {
      String credential;
      try {
        if (left < MOST_ATTEMPTS) {
          Thread.sleep(50 + ThreadLocalRandom.current().nextInt(400));
        }
        credential = munge.credential("coffer " + node, server);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      } catch (Exception e) {
        throw new IOException("munge: " + e.getMessage(), e);
      }
      try {
        return KeyClient.ask(
            settings,
            "POST",
            "/v1/tickets/redeem",
            new JsonObject()
                .put("ticket", shown.string("ticket"))
                .put("credential", credential)
                .put("job", job));
      } catch (KeyServiceException e) {
        if (left == 0 || e.status() != 409) {
          throw e;
        }
      }
    }
  }

  @Override
  public SecretBytes password(Path reference) throws VolumeException {
    try {
      Reference read = Reference.read(reference);
      try (KeyClient client = read.open((key, reason) -> {});
          SecretBytes key = client.key(read.key())) {
        return SecretBytes.take(key.read(Base64.getEncoder()::encode));
      }
    } catch (IOException e) {
      throw refused(e);
    }
  }

  @Override
  public AutoCloseable watch(Path reference, Consumer<String> withdrawn) throws IOException {
    Reference read = Reference.read(reference);
    KeyClient client = read.open((key, reason) -> withdrawn.accept(reason));
    try {
      // A client watches the keys that it has given.
      client.key(read.key()).close();
      return client;
    } catch (IOException | RuntimeException e) {
      client.close();
      throw e;
    }
  }
}
