package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.box.Secrets;
import io.coffer.keyserver.box.Visitor;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.login.KeystoneLogin;
import io.coffer.keyserver.record.IntegrityException;
import io.helidon.common.buffers.DataReader;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.ServerConnectionException;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The Barbican-compatible door: OpenStack's Key Manager API v1 as python-barbicanclient, the {@code
 * openstack secret} commands and castellan speak it. It listens on a port of its own over TLS
 * without client certificates; who calls, a Keystone token in {@code X-Auth-Token} says. It gives
 * out secrets in clear, and so is closed for every project until an operator opens it.
 *
 * <p>Refusals have Barbican's form, {@code {"code","title","description"}}; every call is in the
 * audit log before its answer leaves.
 */
final class Door implements Handler {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final int MAX_PATH_CHARS = 1024;
  private static final int PAGE = 10;
  private static final Set<String> KINDS = Set.of("secrets", "containers", "orders");

  /** A request that has been understood. */
  private record Call(
      String method,
      String[] path,
      Visitor visitor,
      ServerRequest http,
      String base,
      byte[] content,
      boolean consumers) {
    String id() {
      return path[2];
    }

    String sub() {
      return path.length > 3 ? path[3] : "";
    }

    JsonObject json() throws ProblemException, JsonException {
      String type = http.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
      if (!type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
        throw new ProblemException(415, "the body is not JSON", "Send application/json.");
      }
      return JsonObject.parse(content, Set.of(), "payload");
    }

    int number(String name, int otherwise) throws ProblemException {
      String text = http.query().contains(name) ? http.query().get(name) : "";
      if (text.isEmpty()) {
        return otherwise;
      }
      if (!text.matches("[0-9]{1,9}")) {
        throw ProblemException.badRequest(
            "'" + name + "' is malformed", "It is a number from 0 upwards.");
      }
      return Integer.parseInt(text);
    }

    boolean accepts(String type) {
      String accept = http.headers().first(HeaderNames.ACCEPT).orElse("*/*");
      return accept.contains(type) || accept.contains("*/*");
    }
  }

  /** An answer; content is JSON, a payload, or null. */
  private record Answer(int status, @Nullable Object content) {}

  private static final String TEXT = "text/plain";
  private static final String BINARY = "application/octet-stream";

  private final ServerState state;
  private final AuditLog audit;
  private final Limits limits;
  private final KeystoneLogin keystone;
  private final TokenCache tokens;
  private final RateLimit rate;

  Door(ServerState state, AuditLog audit, KeystoneLogin keystone, Limits limits, Clock clock) {
    this.state = state;
    this.audit = audit;
    this.limits = limits;
    this.keystone = keystone;
    this.tokens = new TokenCache(keystone, clock);
    this.rate = new RateLimit(limits.requestsPerSecond());
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    String who = "unknown";
    String action = "door.request";
    String target = Api.shorten(request.path().rawPath());
    boolean audited = true;
    boolean admitted = false;
    String reason = "";
    byte[] content = new byte[0];
    Answer answer;
    try {
      String method = request.prologue().method().text();
      String[] path = path(request);
      String base = base(request);
      if (path.length < 2) {
        audited = false;
        answer = versions(method, path, base, request);
      } else {
        Proven proven = tokens.check(token(request));
        who = proven.subject().toString();
        if (!rate.allows(who, System.nanoTime())) {
          throw new ProblemException(
              429,
              "too many requests",
              "Wait a second; "
                  + limits.requestsPerSecond()
                  + " requests a second are answered for one user.");
        }
        action = action(method, path);
        audit.requireWritable();
        admitted = true;
        content = Bodies.read(request, limits);
        byte[] given = content;
        Visitor visitor = state.use(b -> b.doors().enter(proven, keystone.prefix()));
        target = visitor.owner() + " " + target;
        Call call = new Call(method, path, visitor, request, base, given, wantsConsumers(request));
        answer = answer(call);
        if (answer.content() instanceof JsonObject made && answer.status() < 203) {
          for (String name : new String[] {"secret_ref", "container_ref", "order_ref"}) {
            if (method.equals("POST") && path.length == 2 && made.has(name)) {
              target = visitor.owner() + " " + made.string(name).substring(base.length());
              response.header(HeaderNames.LOCATION, made.string(name));
            }
          }
        }
        if (answer.content() instanceof Secrets.Payload) {
          reason = "given in clear";
        }
      }
    } catch (ProblemException e) {
      reason = e.title();
      answer = problem(e.status(), e.title() + ". " + e.advice());
    } catch (JsonException e) {
      reason = String.valueOf(e.getMessage());
      answer = problem(400, "The JSON of the request: " + reason);
    } catch (IntegrityException e) {
      LOG.log(System.Logger.Level.ERROR, "the store is not to be trusted: {0}", e.getMessage());
      reason = String.valueOf(e.getMessage());
      answer = problem(500, "The store is damaged; tell an operator of the key server.");
    } catch (DataReader.InsufficientDataAvailableException | ServerConnectionException e) {
      reason = "the request ended in its middle";
      answer = problem(400, reason);
    } catch (AuditException e) {
      audited = false;
      answer = problem(503, Api.LOG_FAILS + ". " + Api.LOG_FAILS_ADVICE);
    } catch (EngineException e) {
      LOG.log(System.Logger.Level.ERROR, "{0} failed: {1}", action, e.getMessage());
      reason = String.valueOf(e.getMessage());
      answer = problem(503, Api.STORE_FAILS + ". " + Api.STORE_FAILS_ADVICE);
    } catch (IOException | RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "a request failed: " + action, e);
      reason = "internal error";
      answer = problem(500, "The server failed; tell an operator, its log says more.");
    } finally {
      Arrays.fill(content, (byte) 0);
    }
    if (audited) {
      int status = answer.status();
      String outcome =
          status < 400 ? "granted" : status < 500 || status == 503 ? "refused" : "failed";
      try {
        AuditEvent event =
            new AuditEvent(who, Callers.address(request), action, target, outcome, reason);
        if (admitted) {
          audit.append(event);
        } else {
          audit.appendRefused(event);
        }
      } catch (AuditException e) {
        if (admitted) {
          LOG.log(System.Logger.Level.ERROR, "the audit log cannot be written", e);
        }
        close(answer);
        answer =
            problem(
                503,
                Api.LOG_FAILS
                    + ". "
                    + (status < 400 ? Api.LOG_FAILED_ADVICE : Api.LOG_FAILS_ADVICE));
      }
    }
    try {
      send(response, answer);
    } catch (UncheckedIOException e) {
      LOG.log(System.Logger.Level.DEBUG, "a client did not wait for its answer: {0}", e);
    }
  }

  // --- understanding -----------------------------------------------------------------------------

  private static String[] path(ServerRequest request) throws ProblemException {
    String raw = request.prologue().uriPath().rawPath();
    if (raw.length() > MAX_PATH_CHARS || !raw.matches("/[A-Za-z0-9._/-]*")) {
      throw ProblemException.badRequest(
          "the address has characters that no address here has", "Use references as they are");
    }
    List<String> path = new ArrayList<>();
    for (String segment : raw.split("/", -1)) {
      if (segment.equals(".") || segment.equals("..")) {
        throw ProblemException.notFound("there is no such address", "See docs/key-service.md");
      }
      if (!segment.isEmpty()) {
        path.add(segment);
      }
    }
    return path.toArray(String[]::new);
  }

  /** What references begin with: as the client addressed this server. */
  private static String base(ServerRequest request) throws ProblemException {
    String host = request.headers().first(HeaderNames.HOST).orElse("");
    if (!host.matches("[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\\[[0-9a-fA-F:.]{2,45}](:[0-9]{1,5})?")) {
      throw ProblemException.badRequest(
          "the Host header is missing or malformed", "Send the name of this server");
    }
    return "https://" + host;
  }

  private static String token(ServerRequest request) throws ProblemException {
    String token = request.headers().first(HeaderNames.create("X-Auth-Token")).orElse("");
    if (token.isEmpty()) {
      throw new ProblemException(
          401, "no token was sent", "Send a token of Keystone as X-Auth-Token");
    }
    return token;
  }

  private static boolean wantsConsumers(ServerRequest request) {
    return request
        .headers()
        .first(HeaderNames.create("OpenStack-API-Version"))
        .orElse("")
        .strip()
        .equals("key-manager 1.1");
  }

  private static String action(String method, String[] path) {
    String kind = KINDS.contains(path[1]) ? path[1].substring(0, path[1].length() - 1) : "other";
    String verb =
        switch (method) {
          case "GET" -> path.length == 2 ? "list" : "get";
          case "POST" -> "create";
          case "PUT", "PATCH" -> "change";
          case "DELETE" -> "delete";
          default -> "request";
        };
    String sub =
        path.length > 3 && Set.of("payload", "acl", "consumers", "metadata").contains(path[3])
            ? path[3] + "."
            : "";
    return "door." + kind + "." + sub + verb;
  }

  private static ProblemException noAddress() {
    return ProblemException.notFound(
        "there is no such address", "See docs/key-service.md for what is served");
  }

  private static ProblemException noMethod(String method) {
    return new ProblemException(
        405, "this address knows no " + Api.shorten(method), "See docs/key-service.md");
  }

  // --- answering ---------------------------------------------------------------------------------

  private static Answer versions(String method, String[] path, String base, ServerRequest request)
      throws ProblemException {
    if (!method.equals("GET") && !method.equals("HEAD")) {
      throw noMethod(method);
    }
    if (path.length == 1 && !path[0].equals("v1")) {
      throw noAddress();
    }
    boolean micro =
        request.headers().first(HeaderNames.create("OpenStack-API-Version")).isPresent();
    JsonObject version =
        new JsonObject()
            .put("id", "v1")
            .put("status", micro ? "CURRENT" : "stable")
            .put("min_version", micro ? "1.0" : null)
            .put("max_version", micro ? "1.1" : null)
            .put("links", List.of(new JsonObject().put("rel", "self").put("href", base + "/v1/")));
    JsonObject all =
        path.length == 1
            ? new JsonObject().put("version", version)
            : micro
                ? new JsonObject().put("versions", List.of(version))
                : new JsonObject()
                    .put("versions", new JsonObject().put("values", List.of(version)));
    return new Answer(path.length == 1 ? 200 : 300, all);
  }

  private Answer answer(Call call)
      throws ProblemException, EngineException, JsonException, IOException {
    String[] path = call.path();
    if (!path[0].equals("v1") || path.length > 5) {
      throw noAddress();
    }
    return switch (path[1]) {
      case "secrets" -> path.length == 2 ? secrets(call) : secret(call);
      case "containers" -> path.length == 2 ? containers(call) : container(call);
      case "orders" -> path.length == 2 ? orders(call) : order(call);
      case "quotas" -> quotas(call);
      default -> throw noAddress();
    };
  }

  private Answer secrets(Call call) throws ProblemException, EngineException, JsonException {
    switch (call.method()) {
      case "POST" -> {
        JsonObject request = call.json();
        try {
          String id = state.use(b -> b.secrets().create(call.visitor(), request));
          return new Answer(201, new JsonObject().put("secret_ref", ref(call, "secrets", id)));
        } finally {
          request.wipe();
        }
      }
      case "GET" -> {
        Map<String, String> query = new LinkedHashMap<>();
        for (String name :
            List.of(
                "name",
                "alg",
                "mode",
                "bits",
                "secret_type",
                "created",
                "updated",
                "expiration",
                "sort")) {
          query.put(name, call.http().query().contains(name) ? call.http().query().get(name) : "");
        }
        int offset = call.number("offset", 0);
        int limit = call.number("limit", PAGE);
        var page = state.use(b -> b.secrets().list(call.visitor(), query, offset, limit));
        List<JsonObject> shown = new ArrayList<>();
        for (JsonObject each : page.items()) {
          shown.add(shownSecret(call, each));
        }
        return page(call, "secrets", shown, page.total(), offset, limit);
      }
      default -> throw noMethod(call.method());
    }
  }

  private Answer secret(Call call) throws ProblemException, EngineException, JsonException {
    Visitor visitor = call.visitor();
    String id = call.id();
    return switch (call.sub()) {
      case "" ->
          switch (call.method()) {
            case "GET" ->
                call.accepts("application/json")
                    ? new Answer(
                        200, shownSecret(call, state.use(b -> b.secrets().get(visitor, id))))
                    : payload(call);
            case "PUT" -> {
              String type = call.http().headers().first(HeaderNames.CONTENT_TYPE).orElse("");
              if (type.isEmpty()) {
                throw new ProblemException(
                    415, "the content type is missing", "Send text/plain or octet-stream");
              }
              yield state.use(b -> {
                b.secrets().fill(visitor, id, type, call.content());
                return new Answer(204, null);
              });
            }
            case "DELETE" ->
                state.use(b -> {
                  b.secrets().delete(visitor, id);
                  return new Answer(204, null);
                });
            default -> throw noMethod(call.method());
          };
      case "payload" -> {
        if (!call.method().equals("GET")) {
          throw noMethod(call.method());
        }
        yield payload(call);
      }
      case "acl" -> acl(call, true);
      case "consumers" -> consumers(call, true);
      case "metadata" -> metadata(call);
      default -> throw noAddress();
    };
  }

  private Answer payload(Call call) throws ProblemException, EngineException, JsonException {
    JsonObject secret = state.use(b -> b.secrets().get(call.visitor(), call.id()));
    String type = secret.optionalString("content_type");
    boolean asItIs = type == null || call.accepts(type);
    String other = TEXT.equals(type) ? BINARY : TEXT;
    if (!asItIs && !call.accepts(other)) {
      throw anotherType(type);
    }
    Secrets.Payload payload = state.use(b -> b.secrets().payload(call.visitor(), call.id()));
    if (asItIs) {
      return new Answer(200, payload);
    }
    // Barbican does so, and 'openstack secret store' and 'get' rely on it: they name other types.
    if (other.equals(TEXT) && !payload.bytes().<Boolean, RuntimeException>read(Door::isText)) {
      payload.bytes().close();
      throw anotherType(type);
    }
    return new Answer(200, new Secrets.Payload(other, payload.bytes()));
  }

  private static ProblemException anotherType(@Nullable String type) {
    return new ProblemException(
        406,
        "the payload is of another type",
        "Accept " + type + ", as the secret says: openstack secret get --payload_content_type");
  }

  /** Is it UTF-8? Leaves no copy. */
  private static boolean isText(byte[] bytes) {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    ByteBuffer in = ByteBuffer.wrap(bytes);
    char[] characters = new char[bytes.length];
    try {
      return !decoder.decode(in, CharBuffer.wrap(characters), true).isError();
    } finally {
      Arrays.fill(characters, '\0');
    }
  }

  private Answer acl(Call call, boolean secret)
      throws ProblemException, EngineException, JsonException {
    Visitor visitor = call.visitor();
    String id = call.id();
    return switch (call.method()) {
      case "GET" -> {
        yield new Answer(
            200,
            state.use(
                b -> secret ? b.secrets().acl(visitor, id) : b.containers().acl(visitor, id)));
      }
      case "PUT", "PATCH" -> {
        JsonObject request = call.json();
        boolean whole = call.method().equals("PUT");
        yield state.use(b -> {
          if (secret) {
            b.secrets().setAcl(visitor, id, request, whole);
          } else {
            b.containers().setAcl(visitor, id, request, whole);
          }
          return new Answer(
              200,
              new JsonObject()
                  .put("acl_ref", ref(call, secret ? "secrets" : "containers", id) + "/acl"));
        });
      }
      case "DELETE" -> {
        yield state.use(b -> {
          if (secret) {
            b.secrets().removeAcl(visitor, id);
          } else {
            b.containers().removeAcl(visitor, id);
          }
          return new Answer(200, null);
        });
      }
      default -> throw noMethod(call.method());
    };
  }

  private Answer consumers(Call call, boolean secret)
      throws ProblemException, EngineException, JsonException {
    Visitor visitor = call.visitor();
    String id = call.id();
    return switch (call.method()) {
      case "GET" -> {
        JsonObject json =
            state.use(b -> secret ? b.secrets().get(visitor, id) : b.containers().get(visitor, id));
        List<JsonObject> all = json.objects("consumers");
        int offset = Math.min(call.number("offset", 0), all.size());
        int limit = call.number("limit", PAGE);
        yield page(
            call,
            (secret ? "secrets/" : "containers/") + id + "/consumers",
            all.subList(offset, (int) Math.min(all.size(), (long) offset + limit)),
            all.size(),
            offset,
            limit);
      }
      case "POST", "DELETE" -> {
        JsonObject request = call.json();
        boolean add = call.method().equals("POST");
        JsonObject changed =
            state.use(b ->
                secret
                    ? b.secrets().consumer(visitor, id, request, add)
                    : b.containers().consumer(visitor, id, request, add));
        yield new Answer(200, secret ? shownSecret(call, changed) : shownContainer(call, changed));
      }
      default -> throw noMethod(call.method());
    };
  }

  private Answer metadata(Call call) throws ProblemException, EngineException, JsonException {
    Visitor visitor = call.visitor();
    String id = call.id();
    String name = call.path().length > 4 ? call.path()[4] : null;
    return switch (call.method()) {
      case "GET" -> {
        JsonObject all = state.use(b -> b.secrets().metadata(visitor, id));
        if (name == null) {
          yield new Answer(200, new JsonObject().put("metadata", all));
        }
        String value = all.optionalString(name.toLowerCase(Locale.ROOT));
        if (value == null) {
          throw ProblemException.notFound("nothing of that name is noted", "GET all of them");
        }
        yield new Answer(200, new JsonObject().put("key", name).put("value", value));
      }
      case "PUT" -> {
        JsonObject request = call.json();
        if (name == null) {
          request.allow("metadata");
          JsonObject all = request.object("metadata");
          yield state.use(b -> {
            b.secrets().setMetadata(visitor, id, null, all, "any");
            return new Answer(
                201, new JsonObject().put("metadata_ref", ref(call, "secrets", id) + "/metadata"));
          });
        }
        yield note(call, name, request, "known", 200);
      }
      case "POST" -> {
        JsonObject request = call.json();
        yield note(call, request.string("key"), request, "new", 201);
      }
      case "DELETE" -> {
        if (name == null) {
          throw noMethod(call.method());
        }
        yield state.use(b -> {
          b.secrets().setMetadata(visitor, id, name, null, "known");
          return new Answer(204, null);
        });
      }
      default -> throw noMethod(call.method());
    };
  }

  private Answer note(Call call, String name, JsonObject request, String mode, int status)
      throws ProblemException, EngineException, JsonException {
    request.allow("key", "value");
    String value = request.string("value");
    return state.use(b -> {
      b.secrets().setMetadata(call.visitor(), call.id(), name, value, mode);
      return new Answer(status, new JsonObject().put("key", name).put("value", value));
    });
  }

  private Answer containers(Call call) throws ProblemException, EngineException, JsonException {
    return switch (call.method()) {
      case "POST" -> {
        JsonObject request = call.json();
        String id = state.use(b -> b.containers().create(call.visitor(), request));
        yield new Answer(201, new JsonObject().put("container_ref", ref(call, "containers", id)));
      }
      case "GET" -> {
        int offset = call.number("offset", 0);
        int limit = call.number("limit", PAGE);
        var page = state.use(b -> b.containers().list(call.visitor(), offset, limit));
        List<JsonObject> shown = new ArrayList<>();
        for (JsonObject each : page.items()) {
          shown.add(shownContainer(call, each));
        }
        yield page(call, "containers", shown, page.total(), offset, limit);
      }
      default -> throw noMethod(call.method());
    };
  }

  private Answer container(Call call) throws ProblemException, EngineException, JsonException {
    Visitor visitor = call.visitor();
    String id = call.id();
    return switch (call.sub()) {
      case "" ->
          switch (call.method()) {
            case "GET" ->
                new Answer(
                    200, shownContainer(call, state.use(b -> b.containers().get(visitor, id))));
            case "DELETE" ->
                state.use(b -> {
                  b.containers().delete(visitor, id);
                  return new Answer(204, null);
                });
            default -> throw noMethod(call.method());
          };
      case "acl" -> acl(call, false);
      case "consumers" -> consumers(call, false);
      case "secrets" -> {
        if (!call.method().equals("POST") && !call.method().equals("DELETE")) {
          throw noMethod(call.method());
        }
        JsonObject request = call.json();
        boolean add = call.method().equals("POST");
        yield state.use(b -> {
          b.containers().secret(visitor, id, request, add);
          return add
              ? new Answer(201, new JsonObject().put("container_ref", ref(call, "containers", id)))
              : new Answer(204, null);
        });
      }
      default -> throw noAddress();
    };
  }

  private Answer orders(Call call) throws ProblemException, EngineException, JsonException {
    return switch (call.method()) {
      case "POST" -> {
        JsonObject request = call.json();
        String id = state.use(b -> b.orders().create(call.visitor(), request));
        yield new Answer(202, new JsonObject().put("order_ref", ref(call, "orders", id)));
      }
      case "GET" -> {
        int offset = call.number("offset", 0);
        int limit = call.number("limit", PAGE);
        var page = state.use(b -> b.orders().list(call.visitor(), offset, limit));
        List<JsonObject> shown = new ArrayList<>();
        for (JsonObject each : page.items()) {
          shown.add(shownOrder(call, each));
        }
        yield page(call, "orders", shown, page.total(), offset, limit);
      }
      default -> throw noMethod(call.method());
    };
  }

  private Answer order(Call call) throws ProblemException, EngineException, JsonException {
    if (!call.sub().isEmpty()) {
      throw noAddress();
    }
    return switch (call.method()) {
      case "GET" ->
          new Answer(
              200, shownOrder(call, state.use(b -> b.orders().get(call.visitor(), call.id()))));
      case "DELETE" ->
          state.use(b -> {
            b.orders().delete(call.visitor(), call.id());
            return new Answer(204, null);
          });
      default -> throw noMethod(call.method());
    };
  }

  private Answer quotas(Call call) throws ProblemException, EngineException, JsonException {
    if (call.path().length > 2 || !call.method().equals("GET")) {
      throw noAddress();
    }
    int quota = state.use(b -> b.owners().quotaFor(call.visitor()));
    JsonObject quotas = new JsonObject();
    for (String kind : List.of("secrets", "orders", "containers")) {
      quotas.put(kind, quota);
    }
    return new Answer(
        200, new JsonObject().put("quotas", quotas.put("consumers", 1000).put("cas", 0)));
  }

  // --- in Barbican's form ------------------------------------------------------------------------

  private static String ref(Call call, String kind, String id) {
    return call.base() + "/v1/" + kind + "/" + id;
  }

  private static Answer page(
      Call call, String path, List<JsonObject> items, int total, int offset, int limit) {
    String kind = path.substring(path.lastIndexOf('/') + 1);
    JsonObject page = new JsonObject().put(kind, items).put("total", total);
    String address = call.base() + "/v1/" + path + "?limit=" + limit + "&offset=";
    if (limit > 0 && (long) offset + limit < total) {
      page.put("next", address + (offset + limit));
    }
    if (limit > 0 && offset > 0) {
      page.put("previous", address + Math.max(0, offset - limit));
    }
    return new Answer(200, page);
  }

  private static JsonObject common(JsonObject json) throws JsonException {
    return new JsonObject()
        .put("name", json.optionalString("name"))
        .put("status", json.string("status"))
        .put("created", json.string("created"))
        .put("updated", json.string("updated"))
        .put("creator_id", json.string("creator_id"));
  }

  private static JsonObject shownSecret(Call call, JsonObject json) throws JsonException {
    JsonObject shown =
        common(json)
            .put("secret_ref", ref(call, "secrets", json.string("id")))
            .put("secret_type", json.string("secret_type"))
            .put("expiration", json.optionalString("expiration"))
            .put("algorithm", json.optionalString("algorithm"))
            .put(
                "bit_length",
                json.has("bit_length") ? json.integer("bit_length", 0, Integer.MAX_VALUE) : null)
            .put("mode", json.optionalString("mode"));
    if (json.has("content_type")) {
      shown.put("content_types", new JsonObject().put("default", json.string("content_type")));
    }
    if (call.consumers()) {
      shown.put("consumers", json.objects("consumers"));
    }
    return shown;
  }

  private static JsonObject shownContainer(Call call, JsonObject json) throws JsonException {
    List<JsonObject> refs = new ArrayList<>();
    for (JsonObject each : json.objects("secret_refs")) {
      refs.add(
          new JsonObject()
              .put("name", each.optionalString("name"))
              .put("secret_ref", ref(call, "secrets", each.string("secret_id"))));
    }
    return common(json)
        .put("container_ref", ref(call, "containers", json.string("id")))
        .put("type", json.string("type"))
        .put("secret_refs", refs)
        .put("consumers", json.objects("consumers"));
  }

  private static JsonObject shownOrder(Call call, JsonObject json) throws JsonException {
    JsonObject shown =
        new JsonObject()
            .put("status", json.string("status"))
            .put("created", json.string("created"))
            .put("updated", json.string("updated"))
            .put("creator_id", json.string("creator_id"))
            .put("order_ref", ref(call, "orders", json.string("id")))
            .put("type", json.string("type"))
            .put("meta", json.object("meta"));
    if (json.has("secret_id")) {
      shown.put("secret_ref", ref(call, "secrets", json.string("secret_id")));
    }
    if (json.has("container_id")) {
      shown.put("container_ref", ref(call, "containers", json.string("container_id")));
    }
    return shown;
  }

  private static Answer problem(int status, String description) {
    return new Answer(
        status,
        new JsonObject()
            .put("code", status)
            .put("title", Status.create(status).reasonPhrase())
            .put("description", description));
  }

  private static void close(Answer answer) {
    if (answer.content() instanceof Secrets.Payload payload) {
      payload.bytes().close();
    }
  }

  private void send(ServerResponse response, Answer answer) {
    response.status(Status.create(answer.status()));
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    if (answer.status() == 401) {
      response.header(
          HeaderNames.create("WWW-Authenticate"), "Keystone uri=\"" + keystone.url() + "\"");
    }
    if (answer.status() == 429) {
      response.header(HeaderNames.RETRY_AFTER, "1");
    }
    if (answer.status() == 408 || answer.status() == 413) {
      response.header(HeaderNames.CONNECTION, "close");
    }
    switch (answer.content()) {
      case null -> response.send();
      case JsonObject json -> {
        response.header(HeaderNames.CONTENT_TYPE, "application/json");
        response.send(json.toBytes());
      }
      case Secrets.Payload payload -> {
        response.header(HeaderNames.CONTENT_TYPE, payload.type());
        try (SecretBytes bytes = payload.bytes()) {
          byte[] clear = bytes.<byte[], RuntimeException>read(byte[]::clone);
          try {
            response.send(clear);
          } finally {
            Arrays.fill(clear, (byte) 0);
          }
        }
      }
      default -> throw new IllegalStateException("no content type for " + answer.content());
    }
  }
}
