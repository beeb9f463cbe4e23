package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Those who wait for a change of keys. */
final class WatchResource {
  private static final int MAX_WATCHED = 1000;

  private final Callers callers;
  private final Events events;
  private final Limits limits;
  private volatile boolean stopping;

  WatchResource(Callers callers, Events events, Limits limits) {
    this.callers = callers;
    this.events = events;
    this.limits = limits;
  }

  void addTo(Routes routes) {
    routes.addQuiet("POST", "/v1/watch", "watch", this::watch);
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
        events.await(position, TrustedAuthority.RELOAD_MILLIS);
      } catch (InterruptedException e) {
        stopping = true;
      }
      if (stopping) {
        throw new ProblemException(
            503, "the server is stopping", "Ask again in a moment, or another server.");
      }
      callers.peer(call.http());
      callers.token(call.http(), call.peer());
    }
  }

  /** Sends those away who wait, so that the server can stop. */
  void stop() {
    stopping = true;
    events.changed("server");
  }
}
