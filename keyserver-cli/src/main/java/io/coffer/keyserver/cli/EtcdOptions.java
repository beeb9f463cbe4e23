package io.coffer.keyserver.cli;

import io.coffer.keyserver.engine.EtcdSettings;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where several servers have their store. */
final class EtcdOptions {
  @Option(
      names = "--etcd",
      paramLabel = "URL,...",
      split = ",",
      description =
          "Keep the records in etcd, which several servers share:"
              + " its members, https://HOST:2379 each.")
  private @Nullable List<String> endpoints;

  @Option(
      names = "--etcd-prefix",
      paramLabel = "PREFIX",
      defaultValue = "/coffer/",
      description = "What the names of the entries there begin with (default: /coffer/).")
  private String prefix = "";

  @Option(
      names = "--etcd-ca",
      paramLabel = "FILE",
      description = "Certificate of who issued the members' certificates.")
  private @Nullable Path authority;

  @Option(
      names = "--etcd-cert",
      paramLabel = "FILE",
      description = "Certificate to show to etcd, FILE.pem; its key is FILE.key.")
  private @Nullable Path certificate;

  boolean areGiven() {
    return endpoints != null;
  }

  /** Null if none are given. */
  @Nullable EtcdSettings settings() throws Failure {
    if (endpoints == null) {
      if (authority != null || certificate != null) {
        throw new Failure(
            Failure.USAGE, "certificates for etcd, but no --etcd", "Name its members.");
      }
      return null;
    }
    try {
      return new EtcdSettings(
          endpoints.stream().map(URI::create).toList(), prefix, authority, certificate);
    } catch (IllegalArgumentException e) {
      throw new Failure(
          Failure.USAGE,
          String.valueOf(e.getMessage()),
          "For example: --etcd https://e1:2379,https://e2:2379 --etcd-prefix /coffer/");
    }
  }
}
