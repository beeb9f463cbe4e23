package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Tokens;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.json.JsonObject;
import io.helidon.webserver.http.ServerRequest;
import java.math.BigInteger;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A request that has been understood.
 *
 * @param who in whose name it is made
 * @param peer whose certificate was shown; another one than who, if a token was shown too
 * @param serial of that certificate
 * @param names the names in its path
 */
record Call(
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
    return parse("the number", name(index), Integer.MAX_VALUE);
  }

  int query(String name, int max, int otherwise) throws ProblemException {
    String value = text(name);
    return value.isEmpty() ? otherwise : parse("'" + name + "'", value, max);
  }

  String text(String name) {
    return http.query().contains(name) ? http.query().get(name) : "";
  }

  private static int parse(String what, String text, int max) throws ProblemException {
    if (!text.matches("[1-9][0-9]{0,8}") || Integer.parseInt(text) > max) {
      throw ProblemException.badRequest(
          what + " in the address is malformed or too large", "Use 1 to " + max + ".");
    }
    return Integer.parseInt(text);
  }
}
