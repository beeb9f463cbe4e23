package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.helidon.webserver.http.ServerRequest;
import java.util.ArrayList;
import java.util.List;

/** All routes of the server, and how a request finds its own. */
final class Routes {
  private static final int MAX_PATH_CHARS = 1024;

  private final List<Route> routes = new ArrayList<>();

  void add(String method, String path, String action, int status, Action handler) {
    routes.add(new Route(method, segments(path), action, true, status, handler));
  }

  /** A route whose grants are not logged. */
  void addQuiet(String method, String path, String action, Action handler) {
    routes.add(new Route(method, segments(path), action, false, 200, handler));
  }

  /**
   * The action of the API that is called so; of those that are asked for by GET and otherwise, the
   * latter.
   */
  Action action(String action) {
    for (Route route : routes) {
      if (route.action().equals(action) && !route.method().equals("GET")) {
        return route.handler();
      }
    }
    throw new IllegalArgumentException("the API has no " + action);
  }

  void add(Route route) {
    routes.add(route);
  }

  /** The path as it was sent. No name here needs an escape, so that none is taken. */
  static String[] path(ServerRequest request) throws ProblemException {
    String raw = request.prologue().uriPath().rawPath();
    if (raw.length() > MAX_PATH_CHARS || !raw.matches("/[A-Za-z0-9._:/-]*")) {
      throw ProblemException.badRequest(
          "the address has characters that no address here has",
          "Use names as they are, unescaped.");
    }
    String[] path = segments(raw);
    for (String segment : path) {
      boolean root = path.length == 1 && segment.isEmpty();
      if (segment.equals(".") || segment.equals("..") || (segment.isEmpty() && !root)) {
        throw unknown();
      }
    }
    return path;
  }

  Route find(ServerRequest request, String[] path) throws ProblemException {
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
      throw unknown();
    }
    throw new ProblemException(
        405,
        "this address knows no " + Api.shorten(method),
        "Use " + String.join(" or ", others) + ".");
  }

  private static ProblemException unknown() {
    return ProblemException.notFound(
        "there is no such address",
        "The page begins at /page, the interface for programs at /v1: see docs/key-service.md.");
  }

  static String[] segments(String path) {
    return path.substring(1).split("/", -1);
  }
}
