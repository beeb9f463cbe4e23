package io.coffer.crypto;

import java.security.Security;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

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
    putCiphersFirst(Security::getProperty, Security::setProperty);
  }

  /**
   * Moves all by one place, the last first, and then writes the new first. Another thread may read
   * the list meanwhile, from the first on, to keep it for good: what it has not seen yet is then
   * still to come, at each moment. It takes one that stands there twice for one.
   */
  static void putCiphersFirst(
      Function<String, @Nullable String> get, BiConsumer<String, String> set) {
    if (!USUAL_FIRST.equals(get.apply(PROPERTY + 1))) {
      return;
    }
    int count = 0;
    boolean present = false;
    for (@Nullable String each; (each = get.apply(PROPERTY + (count + 1))) != null; count++) {
      present |= each.equals(CIPHERS);
    }
    if (!present) {
      return;
    }
    for (int place = count; place >= 1; place--) {
      set.accept(PROPERTY + (place + 1), String.valueOf(get.apply(PROPERTY + place)));
    }
    set.accept(PROPERTY + 1, CIPHERS);
  }
}
