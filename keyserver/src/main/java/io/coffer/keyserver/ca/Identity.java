package io.coffer.keyserver.ca;

import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Who somebody is to the key service: a profile and a name, written {@code client:alice}. A
 * certificate carries it as the URI {@code coffer:client:alice} among its subject alternative
 * names; the subject's common name is for people only.
 */
public record Identity(Profile profile, String name) {
  private static final String SCHEME = "coffer:";
  private static final int URI_NAME = 6;
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._-]{0,63}");

  /**
   * @throws IllegalArgumentException if the name breaks the rule that the message states
   */
  public Identity {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "'"
              + (name.length() > 80 ? name.substring(0, 80) + "..." : name)
              + "' cannot be a name; use 1 to 64 of a-z, 0-9, '.', '_' and '-',"
              + " beginning with a letter or digit");
    }
  }

  /**
   * Parses {@code profile:name}.
   *
   * @throws IllegalArgumentException if it is no identity
   */
  public static Identity parse(String text) {
    int colon = text.indexOf(':');
    if (colon < 0) {
      throw new IllegalArgumentException(
          "an identity is written profile:name, for example client:alice");
    }
    return new Identity(Profile.ofLabel(text.substring(0, colon)), text.substring(colon + 1));
  }

  /** The identity that a certificate carries; empty if it carries none, or more than one. */
  public static Optional<Identity> of(X509Certificate certificate) {
    Collection<List<?>> names;
    try {
      names = certificate.getSubjectAlternativeNames();
    } catch (CertificateParsingException e) {
      return Optional.empty();
    }
    if (names == null) {
      return Optional.empty();
    }
    List<String> uris =
        names.stream()
            .filter(name -> Integer.valueOf(URI_NAME).equals(name.get(0)))
            .map(name -> String.valueOf(name.get(1)))
            .filter(uri -> uri.startsWith(SCHEME))
            .toList();
    if (uris.size() != 1) {
      return Optional.empty();
    }
    try {
      return Optional.of(parse(uris.getFirst().substring(SCHEME.length())));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** The form that certificates carry. */
  public String uri() {
    return SCHEME + this;
  }

  @Override
  public String toString() {
    return profile.label() + ":" + name;
  }
}
