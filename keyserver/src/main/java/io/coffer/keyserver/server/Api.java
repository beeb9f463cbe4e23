package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.Job;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.box.Tokens;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.login.Login;
import io.coffer.keyserver.login.Logins;
import io.coffer.keyserver.login.MungeLogin;
import io.coffer.keyserver.login.SlurmJobs;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import io.helidon.common.buffers.DataReader;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The REST interface: finds out who calls, finds the route, reads the body within its limits, and
 * answers JSON or, for a refusal, a problem (RFC 9457) that says what to do next. What was granted
 * or refused is in the audit log before the answer leaves.
 */
final class Api implements Handler {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final int MAX_PATH_CHARS = 1024;
  private static final int MAX_WATCHED = 1000;

  /** What the bearer of a token may do with it. */
  private static final Set<String> WITH_TOKEN =
      Set.of("key.get", "key.read", "token.self", "token.renew", "watch", "server.status");

  /** Members of requests that are base64 and may be secret. */
  private static final Set<String> BINARY =
      Set.of(
          "material",
          "passphrase",
          "share",
          "public_key",
          "nonce",
          "ak",
          "secret",
          "quote",
          "signature");

  /** A request that has been understood. */
  private record Call(
      Identity who,
      Identity peer,
      BigInteger serial,
      Tokens.@Nullable Accepted token,
      List<String> names,
      ServerRequest http,
      JsonObject body) {
    String name(int index) {
      return names.get(index);
    }

    int number(int index) throws ProblemException {
      return parse(name(index), Integer.MAX_VALUE);
    }

    int query(String name, int max, int otherwise) throws ProblemException {
      String value = text(name);
      return value.isEmpty() ? otherwise : parse(value, max);
    }

    String text(String name) {
      return http.query().contains(name) ? http.query().get(name) : "";
    }

    private static int parse(String text, int max) throws ProblemException {
      if (!text.matches("[1-9][0-9]{0,8}") || Integer.parseInt(text) > max) {
        throw ProblemException.badRequest(
            "a number in the address is malformed or too large", "Use 1 to " + max + ".");
      }
      return Integer.parseInt(text);
    }
  }

  /** Answers a call: JSON, other content, or null for 204. */
  private interface Action {
    @Nullable Object answer(Call call)
        throws ProblemException, EngineException, JsonException, SealException, IOException;
  }

  /**
   * A route.
   *
   * @param pattern segments; an asterisk stands for a name
   */
  private record Route(
      String method, String[] pattern, String action, boolean audited, int status, Action handler) {
    boolean matches(String[] path) {
      if (path.length != pattern.length) {
        return false;
      }
      for (int i = 0; i < path.length; i++) {
        if (!pattern[i].equals("*") && !pattern[i].equals(path[i])) {
          return false;
        }
      }
      return true;
    }
  }

  /** Content that is not JSON. */
  private record Text(String type, byte[] content) {}

  private final ServerState state;
  private final AuditLog audit;
  private final TrustedAuthority authority;
  private final Logins logins;
  private final Limits limits;
  private final RateLimit rate;
  private final Metrics metrics = new Metrics();
  private final Events events = new Events();
  private volatile boolean stopping;
  private final List<Route> routes = new ArrayList<>();

  Api(ServerState state, AuditLog audit, TrustedAuthority authority, Logins logins, Limits limits) {
    this.logins = logins;
    this.state = state;
    this.audit = audit;
    this.authority = authority;
    this.limits = limits;
    this.rate = new RateLimit(limits.requestsPerSecond());
    state.listen(this::changedElsewhere);
    serverRoutes();
    serviceRoutes();
    ownerRoutes();
    keyRoutes();
    transferRoutes();
    tokenRoutes();
    ticketRoutes();
  }

  private void route(String method, String path, String action, int status, Action handler) {
    routes.add(new Route(method, segments(path), action, true, status, handler));
  }

  private void quietRoute(String path, String action, Action handler) {
    routes.add(new Route("GET", segments(path), action, false, 200, handler));
  }

  private void serverRoutes() {
    quietRoute(
        "/v1/status",
        "server.status",
        call ->
            new JsonObject()
                .put("sealed", state.isSealed())
                .put("you", call.who().toString())
                .put("servers", state.servers())
                .put("audit_head", audit.head().toString()));
    quietRoute("/health", "server.health", call -> health());
    quietRoute("/metrics", "server.metrics", this::prometheus);
    route("POST", "/v1/seal/unseal", "server.unseal", 200, this::unseal);
    route(
        "POST",
        "/v1/seal/seal",
        "server.seal",
        200,
        call -> {
          requireOperator(call);
          state.seal();
          return new JsonObject().put("sealed", true);
        });
    route("GET", "/v1/audit", "audit.read", 200, this::auditLog);
  }

  private void serviceRoutes() {
    quietRoute("/v1/services", "service.list", call -> state.use(b -> b.services().list()));
    route(
        "POST",
        "/v1/services",
        "service.create",
        201,
        call -> state.use(b -> b.services().create(call.who(), call.body())));
    route(
        "GET",
        "/v1/services/*",
        "service.get",
        200,
        call -> state.use(b -> b.services().get(call.who(), call.name(0))));
    route(
        "POST",
        "/v1/services/*/rotate",
        "master.rotate",
        200,
        call -> {
          JsonObject rotated = state.use(b -> b.services().rotate(call.who(), call.name(0)));
          state.wake();
          return rotated;
        });
    route(
        "POST",
        "/v1/services/*/masters/*/retire",
        "master.retire",
        200,
        call -> {
          int version = call.number(1);
          return state.use(b -> b.services().retire(call.who(), call.name(0), version));
        });
    route(
        "POST",
        "/v1/services/*/master-key",
        "master.grant",
        200,
        call -> state.use(b -> b.services().grantMaster(call.who(), call.name(0), call.body())));
    route(
        "POST",
        "/v1/attestation/challenge",
        "attestation.challenge",
        200,
        call -> state.use(b -> b.attestations().challenge(call.who(), call.body())));
    route(
        "POST",
        "/v1/attestation/proof",
        "attestation.proof",
        200,
        call -> state.use(b -> b.attestations().prove(call.who(), call.body())));
    route(
        "GET",
        "/v1/endpoints",
        "endpoint.list",
        200,
        call -> state.use(b -> b.services().endpoints(call.who())));
    route(
        "PUT",
        "/v1/endpoints/*",
        "endpoint.register",
        200,
        call -> state.use(b -> b.services().register(call.who(), call.name(0), call.body())));
    route(
        "DELETE",
        "/v1/endpoints/*",
        "endpoint.unregister",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.services().unregister(call.who(), call.name(0));
              return null;
            }));
  }

  private void ownerRoutes() {
    quietRoute("/v1/owners", "owner.list", call -> state.use(b -> b.owners().list(call.who())));
    route(
        "POST",
        "/v1/owners",
        "owner.create",
        201,
        call -> state.use(b -> b.owners().create(call.who(), call.body())));
    route(
        "GET",
        "/v1/owners/*",
        "owner.get",
        200,
        call -> state.use(b -> b.owners().get(call.who(), call.name(0))));
    route(
        "PUT",
        "/v1/owners/*",
        "owner.change",
        200,
        call -> state.use(b -> b.owners().change(call.who(), call.name(0), call.body())));
    quietRoute("/v1/doors", "door.list", call -> state.use(b -> b.doors().list(call.who())));
    route(
        "PUT",
        "/v1/owners/*/door",
        "door.open",
        200,
        call -> state.use(b -> b.doors().open(call.who(), call.name(0), call.body())));
    route(
        "DELETE",
        "/v1/owners/*/door",
        "door.close",
        200,
        call -> state.use(b -> b.doors().close(call.who(), call.name(0))));
    route(
        "PUT",
        "/v1/owners/*/quota",
        "owner.quota",
        200,
        call -> state.use(b -> b.owners().quota(call.who(), call.name(0), call.body())));
    route(
        "GET",
        "/v1/owners/*/key",
        "ownerkey.get",
        200,
        call -> state.use(b -> b.keys().getOwnerKey(call.who(), call.name(0))));
    route(
        "POST",
        "/v1/owners/*/key",
        "ownerkey.create",
        201,
        call -> state.use(b -> b.keys().createOwnerKey(call.who(), call.name(0))));
    route(
        "POST",
        "/v1/owners/*/key/rotate",
        "ownerkey.rotate",
        200,
        call -> state.use(b -> b.keys().rotateOwnerKey(call.who(), call.name(0))));
    for (String[] change : new String[][] {{"retire", "retired"}, {"activate", "active"}}) {
      route(
          "POST",
          "/v1/owners/*/key/versions/*/" + change[0],
          "ownerkey." + change[0],
          200,
          call -> {
            int version = call.number(1);
            return state.use(
                b -> b.keys().ownerKeyState(call.who(), call.name(0), version, change[1]));
          });
    }
  }

  private void keyRoutes() {
    String box = "/v1/services/*/owners/*/keys";
    String key = box + "/*";
    route(
        "GET",
        box,
        "key.list",
        200,
        call -> {
          int limit = call.query("limit", 1000, 100);
          boolean deleted = call.text("deleted").equals("true");
          return state.use(b ->
              b.keys()
                  .list(
                      call.who(), call.name(0), call.name(1), call.text("after"), limit, deleted));
        });
    route(
        "POST",
        box,
        "key.create",
        201,
        call ->
            state.use(b -> b.keys().create(call.who(), call.name(0), call.name(1), call.body())));
    route(
        "GET",
        key,
        "key.get",
        200,
        call -> state.use(b -> b.keys().get(call.who(), call.name(0), call.name(1), call.name(2))));
    route(
        "GET",
        key + "/wrapped",
        "key.read",
        200,
        call -> {
          int version = call.query("version", Integer.MAX_VALUE, 0);
          return state.use(
              b -> b.keys().read(call.who(), call.name(0), call.name(1), call.name(2), version));
        });
    route(
        "POST",
        key + "/rotate",
        "key.rotate",
        200,
        call ->
            state.use(b ->
                b.keys()
                    .rotate(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    for (String[] change : new String[][] {{"retire", "retired"}, {"activate", "active"}}) {
      route(
          "POST",
          key + "/versions/*/" + change[0],
          "key." + change[0],
          200,
          call -> {
            int version = call.number(3);
            return state.use(b ->
                b.keys()
                    .state(
                        call.who(), call.name(0), call.name(1), call.name(2), version, change[1]));
          });
    }
    route(
        "PUT",
        key + "/acl",
        "key.acl",
        200,
        call ->
            state.use(b ->
                b.keys().acl(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    for (String method : List.of("POST", "DELETE")) {
      route(
          method,
          key + "/consumers",
          method.equals("POST") ? "key.consume" : "key.release",
          200,
          call -> {
            call.body().allow("consumer");
            String consumer = call.body().string("consumer");
            return state.use(b ->
                b.keys()
                    .consumer(
                        call.who(),
                        call.name(0),
                        call.name(1),
                        call.name(2),
                        consumer,
                        method.equals("POST")));
          });
    }
    route(
        "DELETE",
        key,
        "key.delete",
        200,
        call ->
            state.use(b -> b.keys().delete(call.who(), call.name(0), call.name(1), call.name(2))));
    route(
        "POST",
        key + "/restore",
        "key.restore",
        200,
        call ->
            state.use(b -> b.keys().restore(call.who(), call.name(0), call.name(1), call.name(2))));
  }

  private void transferRoutes() {
    route(
        "POST",
        "/v1/services/*/owners/*/keys/*/transfers",
        "transfer.offer",
        201,
        call ->
            state.use(b ->
                b.transfers()
                    .offer(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    quietRoute(
        "/v1/transfers", "transfer.list", call -> state.use(b -> b.transfers().list(call.who())));
    route(
        "POST",
        "/v1/transfers/*/accept",
        "transfer.accept",
        201,
        call -> state.use(b -> b.transfers().accept(call.who(), call.name(0))));
    route(
        "DELETE",
        "/v1/transfers/*",
        "transfer.cancel",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.transfers().cancel(call.who(), call.name(0));
              return null;
            }));
  }

  private void tokenRoutes() {
    route("POST", "/v1/tokens/exchange", "token.exchange", 201, this::exchange);
    route(
        "POST",
        "/v1/tokens",
        "token.issue",
        201,
        call -> state.use(b -> b.tokens().issue(call.who(), call.serial(), call.body())));
    quietRoute("/v1/tokens", "token.list", call -> state.use(b -> b.tokens().list(call.who())));
    quietRoute("/v1/tokens/self", "token.self", call -> self(call));
    route(
        "POST",
        "/v1/tokens/renew",
        "token.renew",
        200,
        call -> {
          String text = bearer(call.http());
          if (text == null) {
            throw ProblemException.badRequest(
                "no token was sent", "Send it as 'Authorization: Bearer TOKEN'.");
          }
          String id = state.use(b -> b.tickets().jobOf(call.peer(), text));
          if (id != null) {
            // Asked before the store is: the scheduler may take its time.
            Job job = logins.slurm().ask(id);
            state.<@Nullable Object>use(b -> {
              b.tickets().checkGoesOn(call.peer(), text, job);
              return null;
            });
          }
          return state.use(b -> b.tokens().renew(call.peer(), text));
        });
    route(
        "DELETE",
        "/v1/tokens/*",
        "token.revoke",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.tokens().revoke(call.who(), call.name(0));
              return null;
            }));
    routes.add(new Route("POST", segments("/v1/watch"), "watch", false, 200, this::watch));
  }

  private void ticketRoutes() {
    route(
        "POST",
        "/v1/tickets",
        "ticket.issue",
        201,
        call -> {
          logins.slurm();
          return state.use(b -> b.tickets().issue(call.who(), call.serial(), call.body()));
        });
    quietRoute("/v1/tickets", "ticket.list", call -> state.use(b -> b.tickets().list(call.who())));
    route("POST", "/v1/tickets/redeem", "ticket.redeem", 201, this::redeem);
    route(
        "DELETE",
        "/v1/tickets/*",
        "ticket.revoke",
        204,
        call -> {
          state
              .use(b -> b.tickets().revoke(call.who(), call.name(0)))
              .forEach(token -> events.changed("token/" + token));
          return null;
        });
  }

  /** Asks MUNGE and the scheduler before the store: both may take their time. */
  private Object redeem(Call call) throws ProblemException, EngineException, JsonException {
    SlurmJobs slurm = logins.slurm();
    MungeLogin munge = logins.munge();
    String credential = call.body().string("credential");
    Proven proven = munge.check(credential, call.who());
    Job job = slurm.ask(call.body().string("job"));
    Identity user = munge.subject(job.user());
    return state.use(b -> {
      b.tokens().useOnce(proven, credential);
      return b.tickets().redeem(call.who(), proven, user, job, call.body(), logins.jobSeconds());
    });
  }

  /** Checks a credential before the store is asked for anything: that may take its time. */
  private Object exchange(Call call) throws ProblemException, EngineException, JsonException {
    Login login = logins.find(call.body().string("kind"));
    String credential = call.body().string("credential");
    Proven proven = login.check(credential, call.who());
    return state.use(
        b -> b.tokens().exchange(call.who(), call.serial(), proven, credential, call.body()));
  }

  private static Object self(Call call) throws ProblemException {
    Tokens.Accepted token = call.token();
    if (token == null) {
      throw ProblemException.badRequest(
          "no token was sent", "Send it as 'Authorization: Bearer TOKEN'.");
    }
    return new JsonObject()
        .put("id", token.id())
        .put("subject", token.subject().toString())
        .put("left", token.seconds());
  }

  private static @Nullable String bearer(ServerRequest request) throws ProblemException {
    String header = request.headers().first(HeaderNames.AUTHORIZATION).orElse(null);
    if (header == null) {
      return null;
    }
    if (!header.startsWith("Bearer ")) {
      throw new ProblemException(
          401, "this kind of authorization is not known", "Use 'Authorization: Bearer TOKEN'.");
    }
    return header.substring("Bearer ".length()).strip();
  }

  private Tokens.@Nullable Accepted token(ServerRequest request, Identity peer)
      throws ProblemException, EngineException, JsonException {
    String text = bearer(request);
    if (text == null) {
      return null;
    }
    Tokens.Accepted token = state.use(b -> b.tokens().accept(peer, text));
    BigInteger serial = token.serial();
    if (serial != null && authority.isRevoked(serial)) {
      throw new ProblemException(
          401,
          "the certificate that had the token issued is revoked",
          "Have a new certificate issued, and with it a new token.");
    }
    return token;
  }

  /**
   * Answers as soon as one of the keys named has changed, or with nothing after a while; refuses as
   * soon as the token or the certificate is refused.
   */
  private Object watch(Call call)
      throws ProblemException, EngineException, JsonException, IOException {
    call.body().allow("after", "keys");
    String given = call.body().optionalString("after");
    String after = given == null ? "" : given;
    List<String> keys = call.body().strings("keys");
    if (keys.size() > MAX_WATCHED) {
      throw ProblemException.badRequest("too many keys", "Name at most " + MAX_WATCHED + ".");
    }
    List<String> targets = new ArrayList<>();
    for (String key : keys) {
      String[] parts = key.split("/", -1);
      if (parts.length != 3) {
        throw ProblemException.badRequest("a key is malformed", "Write SERVICE/OWNER/ID.");
      }
      targets.add("key/" + key);
      targets.add("owner/" + parts[1]);
    }
    targets.add("endpoint/" + call.peer().name());
    long end = System.nanoTime() + limits.watch().toNanos();
    while (true) {
      String position = events.position();
      List<String> changed = events.after(after, targets);
      if (!changed.isEmpty() || after.isEmpty() || System.nanoTime() > end) {
        List<String> names =
            keys.stream()
                .filter(key ->
                    changed.contains("key/" + key)
                        || changed.contains("owner/" + key.split("/", -1)[1])
                        || changed.contains("endpoint/" + call.peer().name()))
                .toList();
        return new JsonObject().put("position", position).put("changed", names);
      }
      try {
        events.await(TrustedAuthority.RELOAD_MILLIS);
      } catch (InterruptedException e) {
        stopping = true;
      }
      if (stopping) {
        throw new ProblemException(
            503, "the server is stopping", "Ask again in a moment, or another server.");
      }
      identity(call.http());
      token(call.http(), call.peer());
    }
  }

  /** Sends those away who wait, so that the server can stop. */
  void stop() {
    stopping = true;
    events.changed("server");
  }

  /** Tells those who wait here what a request to another server has changed. */
  private void changedElsewhere(String id) {
    String[] parts = id.split("/", -1);
    switch (parts[0]) {
      case "" -> events.everything();
      case "key" -> events.changed(parts[1].equals(Services.OWNERS) ? "owner/" + parts[2] : id);
      case "owner", "endpoint", "token" -> events.changed(id);
      default -> {}
    }
  }

  /** Tells those who wait what a request has changed. */
  private void tell(String action, List<String> names) {
    switch (action) {
      case "key.rotate", "key.retire", "key.activate", "key.acl", "key.delete", "key.restore" ->
          events.changed("key/" + names.get(0) + "/" + names.get(1) + "/" + names.get(2));
      case "owner.change", "ownerkey.rotate", "ownerkey.retire", "ownerkey.activate" ->
          events.changed("owner/" + names.get(0));
      case "endpoint.register", "endpoint.unregister" -> events.changed("endpoint/" + names.get(0));
      case "token.revoke" -> events.changed("token/" + names.get(0));
      case "server.seal" -> events.changed("server");
      default -> {}
    }
  }

  // --- the server itself -------------------------------------------------------------------------

  private static void requireOperator(Call call) throws ProblemException {
    if (call.who().profile() != Profile.OPERATOR) {
      throw ProblemException.forbidden(
          "only an operator may do that", "Ask an operator of this key server.");
    }
  }

  private Object health() throws ProblemException {
    if (state.isSealed()) {
      throw new ProblemException(
          503, "the server is sealed", "Operators open it with 'coffer keyserver unseal'.");
    }
    return new JsonObject().put("status", "up");
  }

  private Object prometheus(Call call) throws ProblemException, EngineException, JsonException {
    if (call.who().profile() != Profile.OPERATOR && call.who().profile() != Profile.AUDITOR) {
      throw ProblemException.forbidden(
          "only operators and auditors may read the metrics",
          "Issue the collector a certificate of the profile auditor.");
    }
    long[] size =
        state.isSealed() ? new long[2] : state.<long[]>use(io.coffer.keyserver.box.LockBoxes::size);
    String text = metrics.text(state.isSealed(), size[0], size[1], audit.head().sequence());
    return new Text("text/plain; version=0.0.4", text.getBytes(StandardCharsets.UTF_8));
  }

  private Object unseal(Call call)
      throws ProblemException, SealException, EngineException, JsonException {
    requireOperator(call);
    call.body().allow("passphrase", "share");
    if (call.body().has("passphrase") == call.body().has("share")) {
      throw ProblemException.badRequest(
          "either 'passphrase' or 'share' is needed", "Send one of them, as base64.");
    }
    int missing = 0;
    if (call.body().has("passphrase")) {
      try (SecretBytes passphrase = SecretBytes.take(call.body().bytes("passphrase"))) {
        state.unseal(passphrase);
      }
    } else {
      byte[] text = call.body().bytes("share");
      missing = state.unseal(Share.parse(text));
    }
    return new JsonObject().put("sealed", missing > 0).put("missing_shares", missing);
  }

  private Object auditLog(Call call) throws ProblemException, IOException {
    if (call.who().profile() != Profile.AUDITOR) {
      throw ProblemException.forbidden(
          "only an auditor may read the audit log",
          "Issue the person a certificate of the profile auditor.");
    }
    int after = call.query("after", Integer.MAX_VALUE, 0);
    int limit = call.query("limit", 10_000, 1000);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    audit.export(after, limit, out);
    return new Text("application/x-ndjson", out.toByteArray());
  }

  // --- handling ----------------------------------------------------------------------------------

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    long began = System.nanoTime();
    String who = "unknown";
    String action = "request";
    String target = shorten(request.path().rawPath());
    boolean audited = true;
    JsonObject body = null;
    Object answer;
    int status;
    String reason = "";
    try {
      Identity peer = identity(request);
      Identity identity = peer;
      who = peer.toString();
      if (!rate.allows(who, began)) {
        throw new ProblemException(
            429,
            "too many requests",
            "Wait a second; no more than "
                + limits.requestsPerSecond()
                + " requests a second are answered for one identity.");
      }
      String[] path = path(request);
      Route route = find(request, path);
      action = route.action();
      audited = route.audited();
      Tokens.Accepted token = token(request, peer);
      if (token != null) {
        identity = token.subject();
        who = identity.toString();
        reason = "token " + token.id() + " shown by " + peer;
        if (!WITH_TOKEN.contains(action)) {
          throw ProblemException.forbidden(
              "a token allows reading keys, and not this", "Repeat the request without the token.");
        }
      }
      body = body(request);
      List<String> names = new ArrayList<>();
      for (int i = 0; i < path.length; i++) {
        if (route.pattern()[i].equals("*")) {
          names.add(path[i]);
        }
      }
      if (token != null
          && action.startsWith("key.")
          && !token.covers(names.get(0), names.get(1), names.get(2))) {
        throw ProblemException.forbidden(
            "the token was not issued for this key",
            "Have one issued that names its service, owner and id, or none.");
      }
      answer =
          route
              .handler()
              .answer(new Call(identity, peer, serial(request), token, names, request, body));
      status = route.status();
      tell(action, names);
      if (action.equals("key.create") && answer instanceof JsonObject made) {
        target = target + "/" + made.optionalString("id");
      } else if (action.equals("token.exchange") && answer instanceof JsonObject issued) {
        reason = body.optionalString("kind") + " credential of " + issued.optionalString("subject");
      } else if (action.equals("ticket.redeem") && answer instanceof JsonObject issued) {
        reason = "token " + issued.optionalString("id") + " for job " + body.optionalString("job");
      } else if (action.startsWith("transfer.") && answer instanceof JsonObject moved) {
        reason = movement(action, moved);
      } else if (action.equals("master.grant") && answer instanceof JsonObject grant) {
        reason =
            grant.string("attestation").equals("tpm") ? "attested by TPM" : "attested by mTLS only";
      }
    } catch (ProblemException e) {
      status = e.status();
      reason = e.title();
      answer = problem(e);
    } catch (JsonException e) {
      status = 400;
      reason = String.valueOf(e.getMessage());
      answer =
          problem(
              ProblemException.badRequest(
                  "the JSON of the request: " + reason,
                  "Correct it; docs/key-service.md has examples."));
    } catch (SealException e) {
      status = 403;
      reason = String.valueOf(e.getMessage());
      answer = problem(ProblemException.forbidden(reason, "Try again with the right one."));
    } catch (IntegrityException e) {
      LOG.log(System.Logger.Level.ERROR, "the store is not to be trusted: {0}", e.getMessage());
      status = 500;
      reason = String.valueOf(e.getMessage());
      answer = problem(new ProblemException(500, reason, "Tell an operator of this key server."));
    } catch (DataReader.InsufficientDataAvailableException e) {
      status = 400;
      reason = "the request ended in its middle";
      answer = problem(ProblemException.badRequest(reason, "Send all of it."));
    } catch (IOException | RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "a request failed: " + action, e);
      status = 500;
      reason = "internal error";
      answer =
          problem(
              new ProblemException(
                  500, "the server failed", "Tell an operator; its log says more."));
    } finally {
      if (body != null) {
        body.wipe();
      }
    }
    String outcome =
        status < 400 ? "granted" : status < 500 || status == 503 ? "refused" : "failed";
    if (audited || status == 401) {
      try {
        audit.append(new AuditEvent(who, address(request), action, target, outcome, reason));
      } catch (AuditException e) {
        LOG.log(System.Logger.Level.ERROR, "the audit log cannot be written", e);
        status = 503;
        answer =
            problem(
                new ProblemException(
                    503,
                    "the audit log cannot be written, and nothing is done unlogged",
                    "Tell an operator; the disk may be full."));
      }
    }
    metrics.count(action, outcome, System.nanoTime() - began);
    boolean last =
        request.headers().first(HeaderNames.CONNECTION).orElse("").equalsIgnoreCase("close");
    try {
      send(response, status, answer, last);
    } catch (UncheckedIOException e) {
      LOG.log(System.Logger.Level.DEBUG, "a client did not wait for its answer: {0}", e);
    }
  }

  /** Between which lock boxes a key goes, for the log. */
  private static String movement(String action, JsonObject answer) throws JsonException {
    return action.equals("transfer.offer")
        ? "transfer "
            + answer.string("id")
            + " to "
            + answer.string("to_service")
            + "/"
            + answer.string("to_owner")
        : action.equals("transfer.accept")
            ? "now "
                + answer.string("service")
                + "/"
                + answer.string("owner")
                + "/"
                + answer.string("id")
            : "";
  }

  private Identity identity(ServerRequest request) throws ProblemException {
    Optional<Certificate[]> chain = request.remotePeer().tlsCertificates();
    if (chain.isPresent()
        && chain.get().length > 0
        && chain.get()[0] instanceof X509Certificate certificate) {
      Optional<Identity> identity = authority.accepts(certificate);
      if (identity.isPresent()) {
        return identity.get();
      }
    }
    throw new ProblemException(
        401,
        "the certificate is revoked or carries no identity",
        "Have a new certificate issued: 'coffer ca issue'.");
  }

  private static BigInteger serial(ServerRequest request) {
    return request.remotePeer().tlsCertificates().stream()
        .map(chain -> ((X509Certificate) chain[0]).getSerialNumber())
        .findFirst()
        .orElse(BigInteger.ZERO);
  }

  /** The caller's address in figures; asking for its name could take long, or be a lie. */
  static String address(ServerRequest request) {
    return request.remotePeer().address() instanceof InetSocketAddress peer
            && peer.getAddress() != null
        ? peer.getAddress().getHostAddress()
        : "";
  }

  private static String[] segments(String path) {
    return path.substring(1).split("/", -1);
  }

  /** The path as it was sent. No name here needs an escape, so that none is taken. */
  private static String[] path(ServerRequest request) throws ProblemException {
    String raw = request.prologue().uriPath().rawPath();
    if (raw.length() > MAX_PATH_CHARS || !raw.matches("/[A-Za-z0-9._:/-]*")) {
      throw ProblemException.badRequest(
          "the address has characters that no address here has",
          "Use names as they are, unescaped.");
    }
    String[] path = segments(raw);
    for (String segment : path) {
      if (segment.equals(".") || segment.equals("..") || segment.isEmpty()) {
        throw ProblemException.notFound("there is no such address", "See docs/key-service.md.");
      }
    }
    return path;
  }

  private Route find(ServerRequest request, String[] path) throws ProblemException {
    String method = request.prologue().method().text();
    List<String> others = new ArrayList<>();
    for (Route route : routes) {
      if (route.matches(path)) {
        if (route.method().equals(method)) {
          return route;
        }
        others.add(route.method());
      }
    }
    if (others.isEmpty()) {
      throw ProblemException.notFound("there is no such address", "See docs/key-service.md.");
    }
    throw new ProblemException(
        405,
        "this address knows no " + shorten(method),
        "Use " + String.join(" or ", others) + ".");
  }

  private JsonObject body(ServerRequest request)
      throws ProblemException, JsonException, IOException {
    if (!request.content().hasEntity()) {
      return new JsonObject();
    }
    String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
    if (!type.isEmpty() && !type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
      throw new ProblemException(415, "the body is not JSON", "Send application/json.");
    }
    byte[] content = Bodies.read(request, limits);
    try {
      return content.length == 0 ? new JsonObject() : JsonObject.parse(content, BINARY);
    } finally {
      Arrays.fill(content, (byte) 0);
    }
  }

  private static Text problem(ProblemException e) {
    return new Text(
        "application/problem+json",
        new JsonObject()
            .put("type", "about:blank")
            .put("status", e.status())
            .put("title", e.title())
            .put("detail", e.advice())
            .toBytes());
  }

  private static void send(
      ServerResponse response, int status, @Nullable Object answer, boolean last) {
    response.status(Status.create(status));
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    if (status == 429) {
      response.header(HeaderNames.RETRY_AFTER, "1");
    }
    if (last || status == 408 || status == 413) {
      // The client wants no more, or what is left of its body is not read.
      response.header(HeaderNames.CONNECTION, "close");
    }
    switch (answer) {
      case null -> response.send();
      case Text text -> {
        response.header(HeaderNames.CONTENT_TYPE, text.type());
        response.send(text.content());
      }
      case JsonObject json -> {
        response.header(HeaderNames.CONTENT_TYPE, "application/json");
        response.send(json.toBytes());
      }
      default -> throw new IllegalStateException("no content type for " + answer.getClass());
    }
  }

  static String shorten(String text) {
    return text.length() > 300 ? text.substring(0, 300) + "..." : text;
  }
}
