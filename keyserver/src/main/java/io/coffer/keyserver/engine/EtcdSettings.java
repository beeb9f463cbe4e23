package io.coffer.keyserver.engine;

import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to reach an etcd cluster.
 *
 * @param endpoints its members' client addresses, {@code https://host:2379}; at least one
 * @param prefix of every key of this service in it, ending with a slash
 * @param authority in PEM, who issued the members' certificates; null for those the system trusts
 * @param certificate in PEM, shown to the members; null if they ask for none. Its private key lies
 *     beside it, in the file of the same name with {@code .key} instead of {@code .pem}
 */
public record EtcdSettings(
    List<URI> endpoints, String prefix, @Nullable Path authority, @Nullable Path certificate) {
  /** The file of the private key of a certificate. */
  public static Path keyOf(Path certificate) {
    return certificate.resolveSibling(
        certificate.getFileName().toString().replaceAll("\\.pem$", "") + ".key");
  }

  /** Checks that they make sense. */
  public EtcdSettings {
    endpoints = List.copyOf(endpoints);
    if (endpoints.isEmpty()) {
      throw new IllegalArgumentException("no endpoint of etcd was named");
    }
    for (URI endpoint : endpoints) {
      boolean tls = "https".equals(endpoint.getScheme());
      if ((!tls && !"http".equals(endpoint.getScheme()))
          || endpoint.getHost() == null
          || endpoint.getPort() < 1
          || !endpoint.getPath().isEmpty()) {
        throw new IllegalArgumentException(
            "'" + endpoint + "' is no endpoint of etcd; write https://HOST:2379");
      }
      if (!tls && (authority != null || certificate != null)) {
        throw new IllegalArgumentException(
            "certificates for etcd are of no use with " + endpoint + "; write https://");
      }
    }
    if (!prefix.matches("/[A-Za-z0-9._/-]{0,200}/") || prefix.contains("//")) {
      throw new IllegalArgumentException(
          "'" + prefix + "' is no prefix of keys; write for example /coffer/");
    }
  }
}
