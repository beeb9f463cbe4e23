package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.page.Deed;
import io.coffer.keyserver.page.Document;
import io.coffer.keyserver.page.FormSeal;
import io.coffer.keyserver.page.Pages;
import io.coffer.keyserver.page.View;
import io.coffer.keyserver.page.Visit;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The pages for people. Deeds are the API's actions, carried out as if the API had been asked: by
 * the same rules, in the same log.
 */
final class PageResource {
  /** Where pages are. */
  static final String ROOT = "/page";

  private final ServerState state;
  private final FormSeal seal;

  PageResource(ServerState state, Clock clock) {
    this.state = state;
    this.seal = new FormSeal(clock);
  }

  /**
   * Adds the pages.
   *
   * @param routes which have the API's already
   */
  void addTo(Routes routes) throws IOException {
    routes.add(
        new Route(
            "GET",
            new String[] {""},
            "page.home",
            false,
            303,
            call -> new Redirect(ROOT, null, null, List.of(), "")));
    for (Map.Entry<String, String> file :
        Map.of("page.css", "text/css; charset=utf-8", "icon.svg", "image/svg+xml").entrySet()) {
      Content content = new Content(file.getValue(), Pages.file(file.getKey()));
      routes.addQuiet("GET", ROOT + "/" + file.getKey(), "page.file", call -> content);
    }
    for (View view : Pages.views()) {
      routes.add(
          new Route(
              "GET",
              Routes.segments(view.path()),
              view.action(),
              view.audited(),
              200,
              call -> view.show().make(visit(call))));
    }
    for (Deed deed : Pages.deeds()) {
      String[] pattern = Routes.segments(deed.path());
      Action action = routes.action(deed.action());
      routes.add(new Route("GET", pattern, "page.ask", true, 200, call -> ask(deed, call)));
      routes.add(
          new Route(
              "POST",
              pattern,
              deed.action(),
              true,
              deed.shows() == null ? 303 : 200,
              call -> carryOut(deed, action, call)));
    }
  }

  /** Is an address one of a page? */
  static boolean isPage(String path) {
    return path.equals("/") || path.equals(ROOT) || path.startsWith(ROOT + "/");
  }

  /** A refusal as a page. */
  Document problem(@Nullable Identity who, String path, ProblemException e) {
    return Pages.problem(
        who == null ? null : new Visit(who, state, path, List.of(), name -> ""), e);
  }

  private Visit visit(Call call) {
    return new Visit(call.who(), state, path(call), call.names(), call::text);
  }

  private static String path(Call call) {
    return call.http().prologue().uriPath().rawPath();
  }

  private Object ask(Deed deed, Call call) throws ProblemException, EngineException, JsonException {
    return Pages.confirmation(deed, visit(call), seal.make(call.who(), call.serial(), path(call)));
  }

  private Object carryOut(Deed deed, Action action, Call call)
      throws ProblemException, EngineException, JsonException, SealException, IOException {
    String value = call.body().optionalString("seal");
    seal.check(call.who(), call.serial(), path(call), value == null ? "" : value);
    List<String> names = deed.input().names(call.names(), call.body());
    Call asked =
        new Call(
            call.who(),
            call.peer(),
            call.serial(),
            call.token(),
            names,
            call.http(),
            deed.input().body().of(call.body()));
    Object result = action.answer(asked);
    Deed.Shows shows = deed.shows();
    return new Redirect(
        deed.next(path(call)),
        shows != null && result instanceof JsonObject shown ? shows.page(visit(call), shown) : null,
        result,
        names,
        names.size() > call.names().size() ? names.getLast() : "");
  }
}
