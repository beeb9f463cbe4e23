package io.coffer.cli;

/** Words as a shell takes them. */
final class Shell {
  private Shell() {}

  static String quote(String word) {
    return word.matches("[A-Za-z0-9_@%+=:,./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }
}
