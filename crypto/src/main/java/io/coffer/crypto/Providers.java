package io.coffer.crypto;

import java.security.Security;

/** The order in which Java looks for an algorithm among its providers (java.security.Security). */
final class Providers {
  private static final String PROPERTY = "security.provider.";
  private static final String CIPHERS = "SunJCE";
  private static final String USUAL_FIRST = "SUN";

  private Providers() {}

  /**
   * Has Java ask the provider of its ciphers first. It asks one after the other, makes each ready
   * for that, and what has elliptic curves parses all of them: a fortieth of a second before the
   * first cipher. To be called before anything of Java's cryptography is used, else it does
   * nothing; it is where the first of Java's ciphers is made. Another order than Java's usual one,
   * as of a system that is confined to certified ciphers, stays as it is.
   */
  static void putCiphersFirst() {
    if (!USUAL_FIRST.equals(Security.getProperty(PROPERTY + 1))) {
      return;
    }
    int place = 2;
    String each = Security.getProperty(PROPERTY + place);
    while (each != null && !each.equals(CIPHERS)) {
      place++;
      each = Security.getProperty(PROPERTY + place);
    }
    if (each == null) {
      return;
    }
    for (; place > 1; place--) {
      Security.setProperty(PROPERTY + place, Security.getProperty(PROPERTY + (place - 1)));
    }
    Security.setProperty(PROPERTY + 1, CIPHERS);
  }
}
