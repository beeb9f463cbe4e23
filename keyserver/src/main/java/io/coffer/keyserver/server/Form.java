package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.json.JsonObject;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** What a browser sends. */
final class Form {
  private static final String TYPE = "application/x-www-form-urlencoded";

  private Form() {}

  /** Was it sent as a form? */
  static void requireType(ServerRequest request) throws ProblemException {
    String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
    if (!type.toLowerCase(Locale.ROOT).startsWith(TYPE)) {
      throw new ProblemException(415, "the body is no form", "Use the form of the page.");
    }
  }

  /** The fields of a form, as texts. */
  static JsonObject parse(byte[] body) throws ProblemException {
    JsonObject fields = new JsonObject();
    for (String pair : new String(body, StandardCharsets.US_ASCII).split("&", -1)) {
      int equals = pair.indexOf('=');
      if (equals > 0) {
        fields.put(decode(pair.substring(0, equals)), decode(pair.substring(equals + 1)));
      }
    }
    return fields;
  }

  private static String decode(String text) throws ProblemException {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw ProblemException.badRequest("the form is malformed", "Use the form of the page.");
    }
  }

  /**
   * Refuses what another site has told a browser to send: a browser shows its certificate to us
   * then, too. Programs send neither of the headers that tell.
   */
  static void requireOwnSite(ServerRequest request) throws ProblemException {
    String site = request.headers().first(HeaderNames.create("Sec-Fetch-Site")).orElse("");
    String origin = request.headers().first(HeaderNames.ORIGIN).orElse("");
    String host = request.headers().first(HeaderNames.HOST).orElse("");
    if ((!site.isEmpty() && !site.equals("same-origin"))
        || (!origin.isEmpty() && !isAt(origin, host))) {
      throw ProblemException.forbidden(
          "the request was sent by another site",
          "Nothing was done. If you meant it, do it from the page of the key service.");
    }
  }

  private static boolean isAt(String origin, String host) {
    try {
      URI uri = URI.create(origin);
      return "https".equals(uri.getScheme()) && host.equals(uri.getRawAuthority());
    } catch (IllegalArgumentException e) {
      return false;
    }
  }
}
