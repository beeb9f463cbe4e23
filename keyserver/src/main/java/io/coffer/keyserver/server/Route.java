package io.coffer.keyserver.server;

import java.util.ArrayList;
import java.util.List;

/**
 * Which requests an action answers.
 *
 * @param pattern segments; an asterisk stands for a name
 * @param action what the audit log calls it
 * @param audited is it logged also when it was granted?
 * @param status of the answer
 */
record Route(
    String method, String[] pattern, String action, boolean audited, int status, Action handler) {
  boolean matches(String[] path) {
    if (path.length != pattern.length) {
      return false;
    }
    for (int i = 0; i < path.length; i++) {
      if (!pattern[i].equals("*") && !pattern[i].equals(path[i])) {
        return false;
      }
    }
    return true;
  }

  /** The names in a path that matches. */
  List<String> names(String[] path) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < path.length; i++) {
      if (pattern[i].equals("*")) {
        names.add(path[i]);
      }
    }
    return names;
  }
}
