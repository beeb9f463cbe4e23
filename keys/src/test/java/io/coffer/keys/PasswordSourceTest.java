package io.coffer.keys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A password")
class PasswordSourceTest {
  @TempDir Path directory;

  @Nested
  @DisplayName("from files")
  class FromFiles {
    @Test
    @DisplayName("is the first line")
    void isTheFirstLine() throws Exception {
      assertEquals("one", read(PasswordSource.files(List.of(file("a", "one\ntwo\n")))));
      assertEquals("one", read(PasswordSource.files(List.of(file("a", "one")))));
    }

    @Test
    @DisplayName("is the first lines of several files joined")
    void joinsSeveralFiles() throws Exception {
      Path first = file("a", "one\nrest");
      Path second = file("b", " two\r\n");
      assertEquals("one two\r", read(PasswordSource.files(List.of(first, second))));
    }

    @Test
    @DisplayName("is refused if any first line is empty")
    void refusesEmptyLines() throws Exception {
      Path first = file("a", "one\n");
      Path second = file("b", "\ntwo\n");
      assertProblem(Problem.PASSWORD_EMPTY, PasswordSource.files(List.of(first, second)));
    }

    @Test
    @DisplayName("is refused if a file is missing")
    void refusesMissingFiles() {
      Path missing = directory.resolve("missing");
      assertProblem(Problem.PASSWORD_UNREADABLE, PasswordSource.files(List.of(missing)));
    }

    @Test
    @DisplayName("may have 2048 bytes and no more, also joined")
    void limitsTheLength() throws Exception {
      Path longest = file("a", "x".repeat(2048) + "\n");
      assertEquals("x".repeat(2048), read(PasswordSource.files(List.of(longest))));
      Path tooLong = file("b", "x".repeat(2049));
      assertProblem(Problem.PASSWORD_TOO_LONG, PasswordSource.files(List.of(tooLong)));
      Path more = file("c", "y");
      assertProblem(Problem.PASSWORD_TOO_LONG, PasswordSource.files(List.of(longest, more)));
    }
  }

  @Nested
  @DisplayName("from a command")
  class FromCommand {
    @Test
    @DisplayName("is the first line it prints; one string is split at spaces")
    void splitsOneStringAtSpaces() throws Exception {
      assertEquals("a b", read(PasswordSource.command(List.of("echo a b"))));
    }

    @Test
    @DisplayName("is what a program prints whose arguments were given one by one")
    void takesArguments() throws Exception {
      var source = PasswordSource.command(List.of("printf", "%s\\nsecond", "a  b"));
      assertEquals("a  b", read(source));
    }

    @Test
    @DisplayName("is refused if the command fails, prints nothing or does not exist")
    void refusesFailures() {
      assertProblem(
          Problem.PASSWORD_UNREADABLE,
          PasswordSource.command(List.of("sh", "-c", "echo secret; exit 3")));
      assertProblem(Problem.PASSWORD_EMPTY, PasswordSource.command(List.of("true")));
      assertProblem(
          Problem.PASSWORD_UNREADABLE, PasswordSource.command(List.of("/nonexistent/program")));
    }

    @Test
    @DisplayName("is refused without waiting for a command that never ends its line")
    void stopsEndlessLines() {
      assertProblem(Problem.PASSWORD_TOO_LONG, PasswordSource.command(List.of("cat", "/dev/zero")));
    }
  }

  @Nested
  @DisplayName("from a stream")
  class FromStream {
    @Test
    @DisplayName("ends at its newline and leaves what follows")
    void leavesWhatFollows() throws Exception {
      InputStream stream = new ByteArrayInputStream("old\nnew\n".getBytes(StandardCharsets.UTF_8));
      PasswordSource source = PasswordSource.stream(stream, "standard input");
      assertEquals("old", read(source));
      assertEquals("new", read(source));
      assertProblem(Problem.PASSWORD_EMPTY, source);
    }
  }

  private Path file(String name, String content) throws Exception {
    return Files.writeString(directory.resolve(name), content);
  }

  private static String read(PasswordSource source) throws VolumeException {
    try (SecretBytes password = source.read()) {
      return password.read(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private static void assertProblem(Problem problem, PasswordSource source) {
    VolumeException e = assertThrows(VolumeException.class, source::read);
    assertEquals(problem, e.problem(), e.getMessage());
  }
}
