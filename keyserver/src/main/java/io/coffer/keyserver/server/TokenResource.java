package io.coffer.keyserver.server;

import io.coffer.keyserver.box.Job;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.box.Tokens;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.login.Login;
import io.coffer.keyserver.login.Logins;
import org.jspecify.annotations.Nullable;

/** Tokens: issued, exchanged for the credentials of others, renewed, revoked. */
final class TokenResource {
  private final ServerState state;
  private final Logins logins;

  TokenResource(ServerState state, Logins logins) {
    this.state = state;
    this.logins = logins;
  }

  void addTo(Routes routes) {
    routes.add("POST", "/v1/tokens/exchange", "token.exchange", 201, this::exchange);
    routes.add(
        "POST",
        "/v1/tokens",
        "token.issue",
        201,
        call -> state.use(b -> b.tokens().issue(call.who(), call.serial(), call.body())));
    routes.addQuiet(
        "GET", "/v1/tokens", "token.list", call -> state.use(b -> b.tokens().list(call.who())));
    routes.addQuiet("GET", "/v1/tokens/self", "token.self", TokenResource::self);
    routes.add(
        "POST",
        "/v1/tokens/renew",
        "token.renew",
        200,
        call -> {
          String text = Callers.bearer(call.http());
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
    routes.add(
        "DELETE",
        "/v1/tokens/*",
        "token.revoke",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.tokens().revoke(call.who(), call.name(0));
              return null;
            }));
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
}
