package io.coffer.keyserver.box;

import java.util.UUID;
import java.util.regex.Pattern;

/** The rules for names, checked before a name is used for anything. */
final class Names {
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._-]{0,63}");
  private static final Pattern OWNER =
      Pattern.compile("(domain|project|user|group):[a-z0-9][a-z0-9._-]{0,63}");
  private static final Pattern ID =
      Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");

  private Names() {}

  static String service(String name) throws ProblemException {
    if (!NAME.matcher(name).matches()) {
      throw ProblemException.badRequest(
          "this cannot be the name of a service",
          "Use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.");
    }
    return name;
  }

  static String owner(String name) throws ProblemException {
    if (!OWNER.matcher(name).matches()) {
      throw ProblemException.badRequest(
          "this cannot be an owner",
          "Write domain:NAME, project:NAME, group:NAME or user:NAME, with a name of 1 to 64 of"
              + " a-z, 0-9, '.', '_' and '-'.");
    }
    return name;
  }

  static String id(String id) throws ProblemException {
    if (!ID.matcher(id).matches()) {
      throw ProblemException.badRequest(
          "this cannot be an id", "Use the id that making or listing it returned, as it is.");
    }
    return id;
  }

  static String newId() {
    return UUID.randomUUID().toString();
  }

  /** A text for people: no control characters, not too long. */
  static String label(String text) throws ProblemException {
    if (text.length() > 255 || text.chars().anyMatch(Character::isISOControl)) {
      throw ProblemException.badRequest(
          "the name or description is too long or has control characters",
          "Use at most 255 printable characters.");
    }
    return text;
  }
}
