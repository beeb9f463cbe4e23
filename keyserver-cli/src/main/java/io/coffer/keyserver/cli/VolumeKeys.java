package io.coffer.keyserver.cli;

import io.coffer.cli.KeyService;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Passwords of volumes from a key server: the base64 of a key, of which the volume's configuration
 * makes what it makes of any password. The reference is a JSON object: {@code url}, {@code
 * authority}, {@code certificate}, {@code key} and {@code token} (files, relative to the
 * reference), {@code service}, {@code owner}, {@code id}, {@code version} (1 if left out), and
 * {@code tpm} for an endpoint that is registered with one (a device or tcp:HOST:PORT).
 */
public final class VolumeKeys implements KeyService {
  private record Reference(KeyClient.Settings settings, Path token, KeyClient.Key key) {
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
            "tpm");
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
            file.resolveSibling(json.string("token")),
            new KeyClient.Key(
                json.string("service"),
                json.string("owner"),
                json.string("id"),
                (int) json.integer("version", 1, Integer.MAX_VALUE, 1)));
      } catch (JsonException | IllegalArgumentException e) {
        throw new IOException("the key reference " + file + ": " + e.getMessage(), e);
      }
    }

    KeyClient open(KeyClient.Listener listener) throws IOException {
      try (SecretBytes secret = SecretBytes.take(Files.readAllBytes(token))) {
        return KeyClient.open(settings, secret, listener);
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
      String message =
          e instanceof java.nio.file.NoSuchFileException missing
              ? missing.getFile() + " does not exist"
              : String.valueOf(e.getMessage());
      throw new VolumeException(
          VolumeException.Problem.PASSWORD_UNREADABLE,
          "no key from the key service: " + message,
          null,
          e);
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
