package io.coffer.keyserver.login;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;

/**
 * A way to prove who one is: a credential that somebody else issued, and that whoever holds a
 * certificate shows in order to have a token issued for the credential's holder. Implementations
 * are thread-safe.
 */
public interface Login {
  /** What requests call it, for example {@code munge}. */
  String kind();

  /**
   * Checks a credential: who issued it, for whom and for what, and that it has not expired. Whether
   * it was used before is the caller's to find out.
   *
   * @param credential text; neither it nor a part of it goes into an exception or a log
   * @param presenter who shows it, by certificate
   * @throws ProblemException 401 if it is not accepted; 503 if that cannot be found out now
   */
  Proven check(String credential, Identity presenter) throws ProblemException;
}
