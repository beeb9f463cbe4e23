package io.coffer.keyserver.box;

import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;

/**
 * What the profile of a certificate allows by itself; see {@link Owners} for what belongs to whom.
 */
public final class Roles {
  private Roles() {}

  /** Only operators administer. */
  public static void requireOperator(Identity caller) throws ProblemException {
    if (caller.profile() != Profile.OPERATOR) {
      throw ProblemException.forbidden(
          "only an operator may do that", "Ask an operator of this key server.");
    }
  }

  /** Is it somebody who may see how the server is run? */
  public static boolean isOverseer(Identity caller) {
    return caller.profile() == Profile.OPERATOR || caller.profile() == Profile.AUDITOR;
  }

  /** Only operators and auditors see how the server is run. */
  public static void requireOverseer(Identity caller) throws ProblemException {
    if (!isOverseer(caller)) {
      throw ProblemException.forbidden(
          "only operators and auditors may see that", "Ask one of them.");
    }
  }

  /** Only auditors read the audit log, operators do not. */
  public static void requireAuditor(Identity caller) throws ProblemException {
    if (caller.profile() != Profile.AUDITOR) {
      throw ProblemException.forbidden(
          "only an auditor may read the audit log",
          "Have a certificate for it issued: 'coffer ca issue DIR/ca auditor:NAME'.");
    }
  }
}
