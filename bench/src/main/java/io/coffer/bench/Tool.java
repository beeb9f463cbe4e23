package io.coffer.bench;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Runs the standard tools that are the clients of the filesystem under test. */
final class Tool {
  private final Path log;
  private final Map<String, String> environment;

  /**
   * @param log takes the tools' complaints
   * @param environment added to this program's own
   */
  Tool(Path log, Map<String, String> environment) {
    this.log = log;
    this.environment = Map.copyOf(environment);
  }

  /** Starts a program without waiting for it; it reads nothing and its output goes to the log. */
  Process start(String... command) throws MeasureException {
    return start(Redirect.appendTo(log.toFile()), List.of(command));
  }

  private Process start(Redirect output, List<String> command) throws MeasureException {
    var builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    builder.environment().put("LC_ALL", "C");
    builder.redirectInput(new File("/dev/null"));
    builder.redirectError(Redirect.appendTo(log.toFile()));
    builder.redirectOutput(output);
    try {
      Files.writeString(log, "");
      return builder.start();
    } catch (IOException e) {
      throw new MeasureException("cannot run " + command.getFirst() + ": " + e.getMessage());
    }
  }

  /** Runs a program to its end and discards its output. */
  void run(String... command) throws MeasureException {
    finish(start(Redirect.DISCARD, List.of(command)), command[0]);
  }

  /** Runs a program to its end with its output in a file. */
  void runInto(Path output, String... command) throws MeasureException {
    finish(start(Redirect.to(output.toFile()), List.of(command)), command[0]);
  }

  /** Runs a shell script to its end. */
  void script(String script) throws MeasureException {
    finish(start("sh", "-c", script), "");
  }

  private void finish(Process process, String name) throws MeasureException {
    int status;
    try {
      status = process.waitFor();
    } catch (InterruptedException e) {
      process.destroy();
      Thread.currentThread().interrupt();
      throw new MeasureException("interrupted");
    }
    if (status != 0) {
      throw new MeasureException(complaint(name.isEmpty() ? "" : name + ": ", status));
    }
  }

  /** The last line that was complained about since the last program started, else its status. */
  String complaint(String prefix, int status) {
    String last = "";
    try (var lines = Files.lines(log, java.nio.charset.StandardCharsets.ISO_8859_1)) {
      last = lines.filter(line -> !line.isBlank()).reduce("", (a, b) -> b).strip();
    } catch (IOException e) {
      last = "";
    }
    last = last.replaceAll("\u001b\\[[0-9;]*m", "");
    return last.isEmpty() ? prefix + "exit status " + status : last;
  }
}
