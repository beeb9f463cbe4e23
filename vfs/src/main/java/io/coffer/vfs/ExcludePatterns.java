package io.coffer.vfs;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which paths of a plain tree are left out of its encrypted view: patterns as gitignore(5) has
 * them, tried on a path and on each directory above it. The last pattern that matches decides; one
 * that begins with "!" takes a path in again, with everything below it. Immutable.
 */
public final class ExcludePatterns {
  /** Leaves out nothing. */
  public static final ExcludePatterns NONE = new ExcludePatterns(List.of());

  private record Rule(Pattern pattern, boolean excludes, boolean directoriesOnly) {}

  private final List<Rule> rules;

  private ExcludePatterns(List<Rule> rules) {
    this.rules = rules;
  }

  /**
   * Reads patterns.
   *
   * @param paths paths from the root, taken literally
   * @param patterns lines as in a gitignore file; empty ones and comments are skipped
   * @throws IllegalArgumentException naming the pattern that is none
   */
  public static ExcludePatterns of(List<String> paths, List<String> patterns) {
    List<Rule> rules = new ArrayList<>();
    for (String path : paths) {
      String clean = path.replaceAll("^(\\./|/)+", "").replaceAll("/+$", "");
      if (!clean.isEmpty()) {
        rules.add(new Rule(Pattern.compile(Pattern.quote(clean)), true, false));
      }
    }
    for (String line : patterns) {
      Rule rule = parse(line);
      if (rule != null) {
        rules.add(rule);
      }
    }
    return rules.isEmpty() ? NONE : new ExcludePatterns(List.copyOf(rules));
  }

  private static @org.jspecify.annotations.Nullable Rule parse(String line) {
    String text = trimEnd(line);
    if (text.isEmpty() || text.startsWith("#")) {
      return null;
    }
    boolean excludes = !text.startsWith("!");
    if (!excludes) {
      text = text.substring(1);
    }
    boolean directoriesOnly = text.endsWith("/");
    text = text.replaceAll("/+$", "");
    if (text.isEmpty()) {
      return null;
    }
    // A pattern with a slash (not at its end) begins at the root, another fits at any depth.
    boolean fromRoot = text.indexOf('/') >= 0;
    if (text.startsWith("/")) {
      text = text.substring(1);
    }
    try {
      String expression = (fromRoot ? "" : "(?:.*/)?") + expression(text);
      return new Rule(Pattern.compile(expression, Pattern.DOTALL), excludes, directoriesOnly);
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException("not a pattern: " + line, e);
    }
  }

  /** Trailing spaces go unless a backslash is before them. */
  private static String trimEnd(String line) {
    int end = line.length();
    if (end > 0 && line.charAt(end - 1) == '\r') {
      end--;
    }
    while (end > 0 && line.charAt(end - 1) == ' ' && (end < 2 || line.charAt(end - 2) != '\\')) {
      end--;
    }
    return line.substring(0, end);
  }

  /** A shell pattern whose wildcards do not match a slash, as a regular expression. */
  private static String expression(String glob) {
    StringBuilder regex = new StringBuilder();
    int i = 0;
    while (i < glob.length()) {
      char c = glob.charAt(i);
      if (glob.startsWith("**/", i) && (i == 0 || glob.charAt(i - 1) == '/')) {
        regex.append("(?:.*/)?");
        i += 3;
      } else if (glob.startsWith("**", i)
          && i + 2 == glob.length()
          && (i == 0 || glob.charAt(i - 1) == '/')) {
        regex.append(".+");
        i += 2;
      } else if (c == '*') {
        regex.append("[^/]*");
        i++;
      } else if (c == '?') {
        regex.append("[^/]");
        i++;
      } else if (c == '[' && classEnd(glob, i) > 0) {
        int end = classEnd(glob, i);
        String inside = glob.substring(i + 1, end);
        boolean negated = inside.startsWith("!") || inside.startsWith("^");
        String members = negated ? inside.substring(1) : inside;
        regex
            .append("(?!/)[")
            .append(negated ? "^" : "")
            .append(members.replaceAll("([\\[\\]&^])", "\\\\$1"))
            .append(']');
        i = end + 1;
      } else {
        if (c == '\\' && i + 1 < glob.length()) {
          i++;
          c = glob.charAt(i);
        }
        regex.append(Pattern.quote(String.valueOf(c)));
        i++;
      }
    }
    return regex.toString();
  }

  /** Index of the bracket that ends a class; -1 if none does, so that "[" is itself. */
  private static int classEnd(String glob, int start) {
    int from = start + 1;
    if (from < glob.length() && (glob.charAt(from) == '!' || glob.charAt(from) == '^')) {
      from++;
    }
    return glob.indexOf(']', from + 1);
  }

  /** Is nothing ever left out? */
  boolean isEmpty() {
    return rules.isEmpty();
  }

  /**
   * Is this left out?
   *
   * @param path plain path from the root, without a leading slash; the root itself is never left
   *     out
   */
  boolean excludes(byte[] path, boolean directory) {
    if (rules.isEmpty() || path.length == 0) {
      return false;
    }
    String text = new String(path, StandardCharsets.UTF_8);
    for (int i = rules.size() - 1; i >= 0; i--) {
      if (matches(rules.get(i), text, directory)) {
        return rules.get(i).excludes;
      }
    }
    return false;
  }

  private static boolean matches(Rule rule, String path, boolean directory) {
    for (int end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      if (rule.pattern.matcher(path.substring(0, end)).matches()) {
        return true;
      }
    }
    return (directory || !rule.directoriesOnly) && rule.pattern.matcher(path).matches();
  }
}
