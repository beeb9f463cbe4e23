package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A program to run. Output goes to files, not pipes, so that a daemon which keeps its parent's
 * streams open does not make the parent look unfinished.
 */
final class Command {
  private final List<String> words = new ArrayList<>();
  private final Map<String, String> environment = new LinkedHashMap<>();
  private @Nullable Path directory;
  private String input = "";
  private Duration timeout = Duration.ofMinutes(2);

  private Command() {}

  static Command of(Object... words) {
    Command command = new Command();
    return command.and(words);
  }

  /** A line of bash, for pipes and process substitution; stops at the first failure. */
  static Command bash(String script) {
    return of("bash", "-e", "-u", "-o", "pipefail", "-c", script);
  }

  /** {@code ./coffer} with arguments. */
  static Command coffer(Object... arguments) {
    return of(Reactor.coffer()).and(arguments);
  }

  /** {@code bin/gocryptfs} of this tree with arguments. */
  static Command personality(Object... arguments) {
    return of(Reactor.gocryptfs()).and(arguments);
  }

  /** The installed gocryptfs. */
  static Command peer(Object... arguments) {
    return of("gocryptfs").and(arguments);
  }

  Command and(Object... more) {
    for (Object word : more) {
      if (word instanceof Iterable<?> several && !(word instanceof Path)) {
        several.forEach(each -> words.add(each.toString()));
      } else {
        words.add(word.toString());
      }
    }
    return this;
  }

  Command in(Path workingDirectory) {
    directory = workingDirectory;
    return this;
  }

  Command env(String name, Object value) {
    environment.put(name, value.toString());
    return this;
  }

  Command stdin(String text) {
    input = text;
    return this;
  }

  Command timeout(Duration limit) {
    timeout = limit;
    return this;
  }

  /** Runs the command as the throw-away user. */
  Command asNobody() {
    words.addAll(
        0,
        List.of(
            "setpriv",
            "--reuid",
            String.valueOf(Person.NOBODY),
            "--regid",
            String.valueOf(Person.NOBODY),
            "--clear-groups"));
    return this;
  }

  /** A command that runs; its output collects in files. */
  record Running(List<String> words, Process process, Path out, Path err) {
    Outcome finish(Duration limit) {
      try {
        boolean ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        if (!ended) {
          process.descendants().forEach(ProcessHandle::destroyForcibly);
          process.destroyForcibly().waitFor();
        }
        String note = ended ? "" : "\n(still running after " + limit + ", killed)";
        Outcome outcome =
            new Outcome(words, ended ? process.exitValue() : -1, text(out), text(err) + note);
        Files.deleteIfExists(out);
        Files.deleteIfExists(err);
        return outcome;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }

    String soFar() {
      return text(out) + text(err);
    }

    private static String text(Path file) {
      try {
        return Files.readString(file, StandardCharsets.ISO_8859_1);
      } catch (IOException e) {
        return "(no output: " + e + ")";
      }
    }
  }

  Running start() {
    try {
      Path out = Files.createTempFile("coffer-out", "");
      Path err = Files.createTempFile("coffer-err", "");
      Path in = Files.createTempFile("coffer-in", "");
      Files.writeString(in, input, StandardCharsets.ISO_8859_1);
      ProcessBuilder builder =
          new ProcessBuilder(words)
              .redirectInput(in.toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile());
      if (directory != null) {
        builder.directory(directory.toFile());
      }
      builder.environment().remove("JAVA_TOOL_OPTIONS");
      builder.environment().put("LC_ALL", "C.UTF-8");
      builder.environment().putAll(environment);
      Process process = builder.start();
      Files.delete(in);
      return new Running(List.copyOf(words), process, out, err);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Outcome run() {
    return start().finish(timeout);
  }

  /** Runs and expects exit code 0. */
  Outcome ok() {
    return run().ok();
  }
}
