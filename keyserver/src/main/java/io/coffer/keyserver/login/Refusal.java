package io.coffer.keyserver.login;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import java.util.Locale;

/** The words in which credentials are refused, and names are made of what they say. */
final class Refusal {
  private Refusal() {}

  static ProblemException of(String title, String advice) {
    return new ProblemException(401, title, advice);
  }

  static ProblemException unavailable(String title) {
    return new ProblemException(503, title, "Try again in a moment, or tell an operator.");
  }

  /** The client that a name of elsewhere stands for. */
  static Identity client(String prefix, String name) throws ProblemException {
    try {
      return new Identity(Profile.CLIENT, prefix + name.toLowerCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw of(
          "the name in the credential cannot be a name here",
          "Names are 1 to 64 of a-z, 0-9, '.', '_' and '-'; let another claim hold the name.");
    }
  }
}
