package io.coffer.bench;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A source tree unpacked, read, listed and removed by the standard tools. */
final class TreeWorkload implements Workload {
  private static final String MD5 = "cd \"$1\" && find . -type f -print0 | xargs -0 md5sum";
  private static final String ENTRIES =
      "cd \"$1\" && find . \\( -type f -printf 'f %m %s %p\\n' \\) -o -printf '%y %m %p -> %l\\n'";

  private final Path tar;
  private final Path scratch;
  private final List<String> contents;
  private final List<String> entries;

  /**
   * Unpacks the tree once into a plain directory, to know what it has to look like.
   *
   * @param tar the tree
   * @param scratch an empty directory on a filesystem that needs no test
   */
  TreeWorkload(Path tar, Path scratch) throws MeasureException, IOException {
    this.tar = tar;
    this.scratch = Files.createDirectories(scratch);
    Path tree = Files.createDirectory(scratch.resolve("reference"));
    Tool tool = new Tool(scratch.resolve("log"), java.util.Map.of());
    unpack(tool, tree);
    contents = list(tool, MD5, tree);
    entries = list(tool, ENTRIES, tree);
    MountSession.deleteTree(tree);
  }

  /** Regular files in the tree. */
  int files() {
    return contents.size();
  }

  @Override
  public String name() {
    return "tree";
  }

  @Override
  public boolean remountsAfterRun() {
    return true;
  }

  @Override
  public void run(MountSession session, Recorder recorder) throws MeasureException, IOException {
    Path tree = Files.createDirectory(session.workDirectory().resolve("tree"));
    Tool tool = session.tool();
    recorder.step("unpacking a tree");
    NativeIo.dropCaches();
    readThrough(tar);
    timed(recorder, Metric.UNTAR, () -> unpack(tool, tree));
    recorder.step("reading a tree");
    NativeIo.dropCaches();
    Path sums = scratch.resolve("md5");
    timed(recorder, Metric.MD5, () -> tool.runInto(sums, "sh", "-c", MD5, "sh", tree.toString()));
    compare(contents, sorted(sums), "contents");
    recorder.step("listing a tree");
    NativeIo.dropCaches();
    timed(recorder, Metric.LS_COLD, () -> tool.run("ls", "-lR", tree.toString()));
    timed(recorder, Metric.LS_WARM, () -> tool.run("ls", "-lR", tree.toString()));
  }

  @Override
  public void verify(MountSession session, Recorder recorder) throws MeasureException, IOException {
    recorder.step("checking a tree");
    Path tree = session.workDirectory().resolve("tree");
    Tool tool = session.tool();
    compare(contents, list(tool, MD5, tree), "contents after mounting again");
    compare(entries, list(tool, ENTRIES, tree), "entries after mounting again");
    recorder.step("removing a tree");
    NativeIo.dropCaches();
    timed(recorder, Metric.RM, () -> tool.run("rm", "-rf", tree.toString()));
  }

  private interface Step {
    void run() throws MeasureException;
  }

  private static void timed(Recorder recorder, Metric metric, Step step) throws MeasureException {
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    step.run();
    double seconds = (System.nanoTime() - start) / 1e9;
    recorder.record(metric, seconds, watch.stop(seconds));
  }

  private void unpack(Tool tool, Path tree) throws MeasureException {
    tool.run("tar", "xf", tar.toString(), "--no-same-owner", "-C", tree.toString());
  }

  private List<String> list(Tool tool, String script, Path tree)
      throws MeasureException, IOException {
    Path output = scratch.resolve("list");
    tool.runInto(output, "sh", "-c", script, "sh", tree.toString());
    return sorted(output);
  }

  private static List<String> sorted(Path output) throws IOException {
    String[] lines =
        Files.readString(output, java.nio.charset.StandardCharsets.ISO_8859_1).split("\n", -1);
    Arrays.sort(lines);
    return List.of(lines).stream().filter(line -> !line.isEmpty()).toList();
  }

  private static void compare(List<String> expected, List<String> actual, String what)
      throws MeasureException {
    if (expected.equals(actual)) {
      return;
    }
    var missing = new java.util.HashSet<>(expected);
    actual.forEach(missing::remove);
    throw new MeasureException(
        what
            + " differ: "
            + (missing.isEmpty()
                ? "there are entries too many"
                : missing.size() + " wrong or missing, such as " + missing.iterator().next()));
  }

  private static void readThrough(Path file) throws IOException {
    try (var in = Files.newInputStream(file)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
  }
}
