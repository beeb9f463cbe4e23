package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's python3-barbicanclient, python3-openstackclient and python3-castellan, unchanged, use
 * the Barbican-compatible door. Skipped where they are not installed.
 */
class OpenStackClientsTest {
  private static int run(Path log, Map<String, String> environment, String... words)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().keySet().removeIf(name -> name.startsWith("OS_"));
    builder.environment().putAll(environment);
    Process process = builder.start();
    try {
      return process.waitFor(5, TimeUnit.MINUTES) ? process.exitValue() : -1;
    } finally {
      process.destroyForcibly();
    }
  }

  private static boolean installed(Path log) throws InterruptedException {
    try {
      return run(
              log,
              Map.of(),
              "/usr/bin/python3",
              "-c",
              "import barbicanclient, castellan, openstackclient, oslo_context")
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void of_debian_do_their_whole_round_unchanged(@TempDir Path directory) throws Exception {
    Path log = directory.resolve("log");
    if (!installed(log)) {
      System.err.println("SKIPPED OpenStackClientsTest: OpenStack's clients are not installed");
      Assumptions.abort("OpenStack's clients are not installed");
    }
    Path script = directory.resolve("clients.py");
    try (InputStream in = getClass().getResourceAsStream("openstack_clients.py")) {
      Files.write(script, Objects.requireNonNull(in).readAllBytes());
    }
    try (FakeKeystone keystone = new FakeKeystone();
        TestServer server =
            new TestServer(
                directory.resolve("home"),
                TestServer.LIMITS,
                "{\"keystone\":{\"url\":\"" + keystone.url() + "\"}}",
                true)) {
      keystone.keyManager("https://127.0.0.1:" + server.server().doorPort());
      server.makeBox("cinder", "project:p1");
      server
          .operator()
          .ok(
              "PUT",
              "/v1/owners/project:p1/door",
              "{\"service\":\"cinder\",\"roles\":{\"member\":\"user\"}}");
      int exit =
          run(
              log,
              Map.of(
                  "OS_AUTH_URL", keystone.url() + "/v3",
                  "OS_CACERT", server.home.authority().toString(),
                  "OS_USERNAME", "user",
                  "OS_PASSWORD", "pw",
                  "OS_PROJECT_NAME", "project",
                  "OS_USER_DOMAIN_NAME", "Default",
                  "OS_PROJECT_DOMAIN_NAME", "Default",
                  "OS_IDENTITY_API_VERSION", "3"),
              "/usr/bin/python3",
              script.toString());
      String said = Files.readString(log, UTF_8);
      assertEquals(0, exit, said);
      assertTrue(said.contains("castellan done"), said);
    }
  }
}
