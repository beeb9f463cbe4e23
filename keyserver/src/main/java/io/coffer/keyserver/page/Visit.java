package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A request for a page.
 *
 * @param who asks
 * @param path of the page
 * @param names the names in its path
 * @param query gives what the query says of a name; empty if nothing
 */
public record Visit(
    Identity who, Desk desk, String path, List<String> names, UnaryOperator<String> query) {
  private static final int MAX_TEXT = 200;

  String name(int index) {
    return names.get(index);
  }

  /** A text of the query, without blanks around it. */
  String text(String name) {
    String text = query.apply(name).strip();
    return text.length() > MAX_TEXT ? text.substring(0, MAX_TEXT) : text;
  }

  /** A number of the query; 0 if it says nothing. */
  long number(String name) throws ProblemException {
    String text = text(name);
    if (text.isEmpty()) {
      return 0;
    }
    if (!text.matches("[0-9]{1,18}")) {
      throw ProblemException.badRequest(
          "a number in the address is malformed", "Follow the links of the page instead.");
    }
    return Long.parseLong(text);
  }

  boolean isOperator() {
    return who.profile() == Profile.OPERATOR;
  }

  boolean isAuditor() {
    return who.profile() == Profile.AUDITOR;
  }

  boolean isOverseer() {
    return Roles.isOverseer(who);
  }
}
