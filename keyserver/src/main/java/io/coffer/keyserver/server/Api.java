package io.coffer.keyserver.server;

import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Tokens;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.login.Logins;
import io.coffer.keyserver.page.Document;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.wire.SealedRequest;
import io.helidon.common.buffers.DataReader;
import io.helidon.http.Header;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Status;
import io.helidon.webserver.ServerConnectionException;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The HTTPS interface, for programs and for browsers: finds out who calls, finds the route, reads
 * the body within its limits, and answers JSON or a page. A refusal is a problem (RFC 9457) or a
 * page that says what to do next. What was granted or refused is in the audit log before the answer
 * leaves.
 */
final class Api implements Handler {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");

  /** What a browser must not do with an answer, even if an answer were to ask for it. */
  private static final List<Header> FOR_BROWSERS =
      List.of(
          HeaderValues.create(
              "Content-Security-Policy",
              "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
                  + " base-uri 'none'; frame-ancestors 'none'"),
          HeaderValues.create("X-Content-Type-Options", "nosniff"),
          HeaderValues.create("X-Frame-Options", "DENY"),
          HeaderValues.create("Referrer-Policy", "same-origin"),
          HeaderValues.create("Cross-Origin-Opener-Policy", "same-origin"),
          HeaderValues.create("Cross-Origin-Resource-Policy", "same-origin"));

  /** What the bearer of a token may do with it. */
  private static final Set<String> WITH_TOKEN =
      Set.of("key.get", "key.read", "token.self", "token.renew", "watch", "server.status");

  /** Members of requests that are base64 and secret, of which a sealed body leaves no copies. */
  private static final Set<String> SECRET = Set.of("material", "passphrase", "share");

  /** Members of requests that are base64. */
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

  /** What is said when the engine fails, and what to do then. */
  static final String STORE_FAILS = "the store of this key server does not answer";

  static final String STORE_FAILS_ADVICE =
      "Try again in some seconds. What was to be changed may have been changed: look before you"
          + " repeat it. If this lasts, an operator looks after the store: more than half of etcd's"
          + " members have to run, or the disk may be full; the server's log says more.";

  /** What is said when the audit log fails. */
  static final String LOG_FAILS = "the audit log cannot be written, and nothing is done unlogged";

  static final String LOG_FAILS_ADVICE =
      "Nothing was done. Repeat it when an operator has looked after the disk of the key server,"
          + " which may be full; the server's log says more.";

  /** When it failed after the deed. */
  static final String LOG_FAILED_ADVICE =
      "It may have been done: look before you repeat it, when an operator has looked after the disk"
          + " of the key server, which may be full; the server's log says more.";

  private final Callers callers;
  private final PageResource pages;
  private final AuditLog audit;
  private final Limits limits;
  private final RateLimit rate;
  private final Metrics metrics = new Metrics();
  private final Changes changes;
  private final WatchResource watch;
  private final SealingKey sealing = new SealingKey();
  private final Routes routes = new Routes();

  Api(
      ServerState state,
      AuditLog audit,
      TrustedAuthority authority,
      Logins logins,
      Limits limits,
      Clock clock)
      throws IOException {
    this.callers = new Callers(state, authority);
    this.audit = audit;
    this.limits = limits;
    this.rate = new RateLimit(limits.requestsPerSecond());
    Events events = new Events();
    this.changes = new Changes(events);
    state.listen(changes::changedElsewhere);
    this.watch = new WatchResource(callers, events, limits);
    watch.addTo(routes);
    sealing.addTo(routes);
    new ServerResource(state, audit, metrics).addTo(routes);
    new ServiceResource(state).addTo(routes);
    new OwnerResource(state).addTo(routes);
    new KeyResource(state).addTo(routes);
    new TransferResource(state).addTo(routes);
    new TokenResource(state, logins).addTo(routes);
    new TicketResource(state, logins, events).addTo(routes);
    this.pages = new PageResource(state, clock);
    pages.addTo(routes);
  }

  /** Sends those away who wait, so that the server can stop. */
  void stop() {
    watch.stop();
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    long began = System.nanoTime();
    Identity known = null;
    String who = "unknown";
    String action = "request";
    String raw = request.path().rawPath();
    String target = shorten(raw);
    boolean audited = true;
    boolean admitted = false;
    JsonObject body = null;
    Object answer = null;
    ProblemException refusal = null;
    int status = 0;
    String reason = "";
    try {
      Identity peer = callers.peer(request);
      Identity identity = peer;
      known = peer;
      who = peer.toString();
      if (!rate.allows(who, began)) {
        throw new ProblemException(
            429,
            "too many requests",
            "Wait a second; no more than "
                + limits.requestsPerSecond()
                + " requests a second are answered for one identity.");
      }
      String[] path = Routes.path(request);
      Route route = routes.find(request, path);
      action = route.action();
      audited = route.audited();
      if (audited) {
        audit.requireWritable();
        admitted = true;
      }
      Tokens.Accepted token = callers.token(request, peer);
      if (token != null) {
        identity = token.subject();
        who = identity.toString();
        reason = "token " + token.id() + " shown by " + peer;
        if (!WITH_TOKEN.contains(action)) {
          throw ProblemException.forbidden(
              "a token allows reading keys, and not this", "Repeat the request without the token.");
        }
      }
      if (!route.method().equals("GET")) {
        Form.requireOwnSite(request);
      }
      body = body(request, peer, PageResource.isPage(raw));
      List<String> names = route.names(path);
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
              .answer(
                  new Call(identity, peer, Callers.serial(request), token, names, request, body));
      status = route.status();
      Object result = answer;
      if (answer instanceof Redirect redirect) {
        result = redirect.result();
        names = redirect.names();
        reason = "on the page" + (redirect.named().isEmpty() ? "" : ": " + redirect.named());
      }
      changes.tell(action, names);
      if (body.has("material") && !(answer instanceof Redirect)) {
        reason = isSealed(request) ? "a key that was brought sealed" : "a key brought in clear";
      }
      if (action.equals("key.create") && result instanceof JsonObject made) {
        target =
            answer instanceof Redirect
                ? "/v1/services/%s/owners/%s/keys/%s"
                    .formatted(names.get(0), names.get(1), made.optionalString("id"))
                : target + "/" + made.optionalString("id");
      } else if (action.equals("server.unseal") && result instanceof JsonObject opened) {
        String by = opened.optionalString("opened_by");
        reason = by == null ? "a share" : by;
      } else if (action.equals("server.backup")) {
        reason = ServerBackup.reason(body.string("to"));
      } else if (action.equals("token.exchange") && result instanceof JsonObject issued) {
        reason = body.optionalString("kind") + " credential of " + issued.optionalString("subject");
      } else if (action.equals("ticket.redeem") && result instanceof JsonObject issued) {
        reason = "token " + issued.optionalString("id") + " for job " + body.optionalString("job");
      } else if (action.startsWith("transfer.") && result instanceof JsonObject moved) {
        reason = movement(action, moved);
      } else if (action.equals("master.grant") && result instanceof JsonObject grant) {
        reason =
            grant.string("attestation").equals("tpm") ? "attested by TPM" : "attested by mTLS only";
      }
    } catch (ProblemException e) {
      reason = e.title();
      refusal = e;
    } catch (JsonException e) {
      reason = String.valueOf(e.getMessage());
      refusal =
          ProblemException.badRequest(
              "the JSON of the request: " + reason,
              "Correct it; docs/key-service.md has examples.");
    } catch (SealException e) {
      reason = String.valueOf(e.getMessage());
      refusal =
          ProblemException.forbidden(
              reason, e.advice().isEmpty() ? "Try again with the right one." : e.advice());
    } catch (IntegrityException e) {
      LOG.log(System.Logger.Level.ERROR, "the store is not to be trusted: {0}", e.getMessage());
      reason = String.valueOf(e.getMessage());
      refusal = new ProblemException(500, reason, "Tell an operator of this key server.");
    } catch (DataReader.InsufficientDataAvailableException | ServerConnectionException e) {
      reason = "the request ended in its middle";
      refusal = ProblemException.badRequest(reason, "Send all of it.");
    } catch (AuditException e) {
      // Nothing was done; the reason is logged once, by whom it befell first.
      audited = false;
      reason = String.valueOf(e.getMessage());
      refusal = new ProblemException(503, LOG_FAILS, LOG_FAILS_ADVICE);
    } catch (EngineException e) {
      LOG.log(System.Logger.Level.ERROR, "{0} failed: {1}", action, e.getMessage());
      reason = String.valueOf(e.getMessage());
      refusal = new ProblemException(503, STORE_FAILS, STORE_FAILS_ADVICE);
    } catch (IOException | RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "a request failed: " + action, e);
      reason = "internal error";
      refusal =
          new ProblemException(500, "the server failed", "Tell an operator; its log says more.");
    } finally {
      if (body != null) {
        body.wipe();
      }
    }
    if (refusal != null) {
      status = refusal.status();
    }
    String outcome =
        status < 400 ? "granted" : status < 500 || status == 503 ? "refused" : "failed";
    if (audited || status == 401) {
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
        refusal =
            new ProblemException(
                503, LOG_FAILS, status < 400 ? LOG_FAILED_ADVICE : LOG_FAILS_ADVICE);
      }
    }
    if (refusal != null) {
      status = refusal.status();
      answer = PageResource.isPage(raw) ? pages.problem(known, raw, refusal) : problem(refusal);
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

  private JsonObject body(ServerRequest request, Identity peer, boolean page)
      throws ProblemException, JsonException, IOException {
    if (!page && isSealed(request)) {
      return sealing.open(
          peer,
          request.prologue().method().text(),
          request.prologue().uriPath().rawPath(),
          Bodies.read(request, limits),
          SECRET,
          BINARY);
    }
    if (!request.content().hasEntity()) {
      return new JsonObject();
    }
    if (page) {
      Form.requireType(request);
      return Form.parse(Bodies.read(request, limits));
    }
    String type = type(request);
    if (!type.isEmpty() && !type.startsWith("application/json")) {
      throw new ProblemException(415, "the body is not JSON", "Send application/json.");
    }
    byte[] content = Bodies.read(request, limits);
    try {
      return content.length == 0 ? new JsonObject() : JsonObject.parse(content, BINARY);
    } finally {
      Arrays.fill(content, (byte) 0);
    }
  }

  private static String type(ServerRequest request) {
    return request.headers().first(HeaderNames.CONTENT_TYPE).orElse("").toLowerCase(Locale.ROOT);
  }

  private static boolean isSealed(ServerRequest request) {
    return type(request).equals(SealedRequest.CONTENT_TYPE);
  }

  private static Content problem(ProblemException e) {
    return new Content(
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
    for (Header header : FOR_BROWSERS) {
      response.header(header);
    }
    if (status == 429) {
      response.header(HeaderNames.RETRY_AFTER, "1");
    }
    if (last || status == 408 || status == 413) {
      // The client wants no more, or what is left of its body is not read.
      response.header(HeaderNames.CONNECTION, "close");
    }
    switch (answer) {
      case null -> response.send();
      case Content content -> {
        response.header(HeaderNames.CONTENT_TYPE, content.type());
        response.send(content.bytes());
      }
      case Document page -> {
        response.header(HeaderNames.CONTENT_TYPE, "text/html; charset=utf-8");
        response.send(page.bytes());
      }
      case Redirect redirect when redirect.page() != null ->
          send(response, status, redirect.page(), last);
      case Redirect redirect -> {
        response.header(HeaderNames.LOCATION, redirect.address());
        response.send();
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
