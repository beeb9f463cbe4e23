package io.coffer.keyserver.box;

import io.coffer.keyserver.ca.Identity;
import org.jspecify.annotations.Nullable;

/**
 * Somebody who came in through the Barbican door.
 *
 * @param who the identity that the token stands for
 * @param prefix what that identity's name begins with, before the user's id of elsewhere
 * @param owner whose project the token is scoped to
 * @param service under whose master keys that project's secrets lie
 * @param role the visitor's role with the owner; null for none, which leaves what others share
 */
public record Visitor(
    Identity who, String prefix, String owner, String service, @Nullable String role) {
  /** The user's id where the token comes from. */
  String user() {
    return who.name().substring(prefix.length());
  }

  boolean isAdmin() {
    return "admin".equals(role);
  }
}
