package io.coffer.keyserver.box;

import io.coffer.keyserver.ca.Identity;
import java.time.Instant;
import java.util.List;

/**
 * Who somebody is, as a credential proves it.
 *
 * @param subject a client, whose name begins with the prefix of its kind of login
 * @param expires when the credential does; no token lives longer
 * @param owners the only owners whose keys may be read; empty for no such bound
 * @param once is the credential good for one token only?
 * @param roles what the issuer calls the subject's roles with these owners
 */
public record Proven(
    Identity subject, Instant expires, List<String> owners, boolean once, List<String> roles) {
  /** Of an issuer that knows no roles. */
  public Proven(Identity subject, Instant expires, List<String> owners, boolean once) {
    this(subject, expires, owners, once, List.of());
  }
}
