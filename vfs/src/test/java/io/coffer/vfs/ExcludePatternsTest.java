package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("What is left out of the encrypted view")
class ExcludePatternsTest {
  @ParameterizedTest(name = "{0}: {1} is left out: {2}")
  @DisplayName("follows gitignore(5)")
  @CsvSource(
      delimiter = '|',
      value = {
        "*.mp3        | a.mp3           | true",
        "*.mp3        | d/e/a.mp3       | true",
        "*.mp3        | a.mp3/inside    | true",
        "*.mp3        | a.mp33          | false",
        "/*.c         | cat.c           | true",
        "/*.c         | d/cat.c         | false",
        "a/b          | a/b             | true",
        "a/b          | a/b/c           | true",
        "a/b          | x/a/b           | false",
        "a/*.html     | a/x.html        | true",
        "a/*.html     | a/b/x.html      | false",
        "**/foo       | foo             | true",
        "**/foo       | a/b/foo         | true",
        "**/foo/bar   | a/foo/bar       | true",
        "**/foo/bar   | foo/x/bar       | false",
        "abc/**       | abc/d/e         | true",
        "abc/**       | abc             | false",
        "a/**/b       | a/b             | true",
        "a/**/b       | a/x/y/b         | true",
        "a/**/b       | a/xb            | false",
        "fo?          | foo             | true",
        "fo?          | fo              | false",
        "fo?          | a/fox           | true",
        "a?b          | a/b             | false",
        "[a-c]x       | bx              | true",
        "[!a-c]x      | bx              | false",
        "[!a-c]x      | dx              | true",
        "a[bc         | a[bc            | true",
        "\\*          | *               | true",
        "\\*          | a               | false",
        "\\#a         | #a              | true",
        "\\!a         | !a              | true",
        "# comment    | comment         | false",
        "a.b          | axb             | false",
        "trailing     | trailing        | true"
      })
  void followsGitignore(String pattern, String path, boolean excluded) {
    assertEquals(excluded, excludes(List.of(), List.of(pattern), path, false));
  }

  @Test
  @DisplayName("with a slash at its end matches directories and what is in them")
  void matchesDirectoriesOnly() {
    assertEquals(true, excludes(List.of(), List.of("foo/"), "foo", true));
    assertEquals(false, excludes(List.of(), List.of("foo/"), "foo", false));
    assertEquals(true, excludes(List.of(), List.of("foo/"), "x/foo/file", false));
  }

  @Test
  @DisplayName("is decided by the last pattern that matches")
  void lastPatternDecides() {
    List<String> patterns = List.of("*", "!/important", "*.tmp");
    assertEquals(true, excludes(List.of(), patterns, "other", false));
    assertEquals(false, excludes(List.of(), patterns, "important", true));
    assertEquals(false, excludes(List.of(), patterns, "important/a/b", false));
    assertEquals(true, excludes(List.of(), patterns, "important/a.tmp", false));
  }

  @Test
  @DisplayName("as a path is literal and begins at the root")
  void pathsAreLiteral() {
    for (String path : List.of("a*/b", "/a*/b", "./a*/b/")) {
      assertEquals(true, excludes(List.of(path), List.of(), "a*/b", false));
      assertEquals(true, excludes(List.of(path), List.of(), "a*/b/c", false));
      assertEquals(false, excludes(List.of(path), List.of(), "ax/b", false));
      assertEquals(false, excludes(List.of(path), List.of(), "x/a*/b", false));
    }
  }

  @Test
  @DisplayName("is never the root, and nothing without patterns")
  void neverTheRoot() {
    assertFalse(excludes(List.of(), List.of("*"), "", true));
    assertFalse(excludes(List.of(), List.of("", "  ", "#", "!", "/"), "a", true));
  }

  @Test
  @DisplayName("may have trailing spaces if they are quoted")
  void quotesTrailingSpaces() {
    assertEquals(true, excludes(List.of(), List.of("a  "), "a", false));
    assertEquals(true, excludes(List.of(), List.of("a\\ "), "a ", false));
    assertEquals(false, excludes(List.of(), List.of("a\\ "), "a", false));
    assertEquals(true, excludes(List.of(), List.of("a\r"), "a", false));
  }

  private static boolean excludes(
      List<String> paths, List<String> patterns, String path, boolean directory) {
    return ExcludePatterns.of(paths, patterns)
        .excludes(path.getBytes(StandardCharsets.UTF_8), directory);
  }
}
