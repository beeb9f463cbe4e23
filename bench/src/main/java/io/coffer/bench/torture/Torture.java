package io.coffer.bench.torture;

import io.coffer.bench.torture.Board.AppendFile;
import io.coffer.bench.torture.Board.CellFile;
import io.coffer.bench.torture.Board.CounterFile;
import io.coffer.bench.torture.Board.Place;
import io.coffer.bench.torture.Board.Token;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** Lets workers on several nodes at one volume, kills nodes, and looks at what is left. */
final class Torture {
  private static final int BLOCK = 4096;

  /**
   * What is to be done.
   *
   * @param writers workers on each node
   * @param time for how long
   * @param killEvery how often a node is killed and mounted again; zero for never
   * @param files how many files all write to
   * @param fileBytes most bytes of one
   */
  record Plan(
      int writers,
      Duration time,
      Duration killEvery,
      int files,
      int fileBytes,
      boolean truncations,
      long seed) {}

  private final Plan plan;
  private final List<Node> nodes;
  private final Node judge;
  private final Board board;
  private final Findings findings;
  private final PrintStream out;

  /**
   * @param judge mounts the volume anew, at the end
   */
  Torture(Plan plan, List<Node> nodes, Node judge, Findings findings, PrintStream out) {
    this.plan = plan;
    this.nodes = nodes;
    this.judge = judge;
    this.findings = findings;
    this.out = out;
    this.board = new Board(plan.files(), plan.fileBytes() / FileModel.CELL, BLOCK);
  }

  /** Runs; what is found is in the findings. */
  void run() throws IOException, InterruptedException {
    for (Node each : nodes) {
      each.start();
    }
    prepare(nodes.getFirst());
    List<Worker> workers = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < nodes.size() * plan.writers(); i++) {
      var worker = new Worker(board, nodes.get(i % nodes.size()), i, findings, plan);
      workers.add(worker);
      threads.add(Thread.ofPlatform().daemon().name("worker-" + i).start(worker));
    }
    int kills = killNow();
    workers.forEach(Worker::stop);
    for (Thread each : threads) {
      each.join();
    }
    for (Node each : nodes) {
      each.stop();
    }
    findings.operations().forEach((kind, count) -> out.printf("  %8d  %s%n", count, kind));
    out.printf("  %8d  nodes killed%n", kills);
    judge.start();
    checkFiles();
    checkAppended();
    checkCounters();
    checkTokens();
    judge.stop();
  }

  private void prepare(Node node) throws IOException {
    for (int i = 0; i < Board.DIRECTORIES; i++) {
      Linux.makeDirectory(node.root(), Native.bytes(Path.of("d" + i)), 0755);
    }
    for (Token each : board.tokens) {
      int descriptor =
          Native.open(node.root(), each.path.get(), Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL);
      try {
        Native.write(descriptor, each.content(), 0);
      } finally {
        Linux.close(descriptor);
      }
    }
  }

  /** Waits for the end, and kills nodes on the way. */
  private int killNow() throws IOException, InterruptedException {
    var random = new Random(plan.seed());
    long end = System.nanoTime() + plan.time().toNanos();
    int kills = 0;
    while (true) {
      long left = (end - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        return kills;
      }
      if (plan.killEvery().isZero()) {
        Thread.sleep(left);
        continue;
      }
      long pause = plan.killEvery().toMillis();
      Thread.sleep(Math.min(left, pause / 2 + random.nextLong(pause)));
      if (System.nanoTime() < end) {
        Node victim = nodes.get(random.nextInt(nodes.size()));
        victim.kill();
        kills++;
        victim.start();
      }
    }
  }

  private void checkFiles() {
    for (Place<CellFile> place : board.files) {
      for (CellFile file : place.all()) {
        long length = (long) file.model().cellCount() * FileModel.CELL;
        for (long at = 0; at < length; at += BLOCK) {
          checkBlock(file, at, (int) Math.min(BLOCK, length - at));
        }
      }
    }
  }

  private void checkBlock(CellFile file, long at, int length) {
    long begun = file.model().beginRead();
    byte[] bytes = {};
    try {
      bytes = readAt(file.path(), at, length);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EIO
          && (file.model().mayBeTorn(at / BLOCK) || file.model().mayEndBeTorn())) {
        file.model().endRead(begun);
        findings.done("block torn by a death");
        return;
      }
      if (e.errno() != Errno.ENOENT) {
        file.model().endRead(begun);
        findings.wrong("unreadable at the end", file.path() + " at " + at + ": " + e.getMessage());
        return;
      }
    }
    String wrong = file.model().check(begun, at, length, bytes);
    if (wrong != null) {
      findings.wrong("wrong bytes at the end", file.path() + ": " + wrong);
    }
  }

  private byte[] readAt(Path path, long offset, int length) throws ErrnoException {
    int descriptor = Native.open(judge.root(), path, Flags.O_RDONLY);
    try {
      return Native.read(descriptor, offset, length);
    } finally {
      Linux.close(descriptor);
    }
  }

  private void checkAppended() {
    for (AppendFile file : board.appends.all()) {
      if (file.written.isEmpty() && file.unknown.isEmpty()) {
        continue;
      }
      try {
        checkAppended(file);
      } catch (ErrnoException e) {
        findings.wrong("unreadable at the end", file.path + ": " + e.getMessage());
      }
    }
  }

  private void checkAppended(AppendFile file) throws ErrnoException {
    FileStatus status = Linux.status(judge.root(), Native.bytes(file.path));
    int size = Math.toIntExact(status.size());
    byte[] all = new byte[size];
    int unreadable = 0;
    for (int at = 0; at < size; at += BLOCK) {
      try {
        byte[] block = readAt(file.path, at, Math.min(BLOCK, size - at));
        System.arraycopy(block, 0, all, at, block.length);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.EIO || file.unknown.isEmpty()) {
          throw e;
        }
        unreadable++;
      }
    }
    Map<Long, Integer> missing = new HashMap<>(file.written);
    Set<Long> found = new HashSet<>();
    ByteBuffer bytes = ByteBuffer.wrap(all);
    int covered = 0;
    for (int at = 0; at + Worker.RECORD_HEADER <= size; ) {
      long id = bytes.getLong(at + 4);
      Integer length = file.written.getOrDefault(id, file.unknown.get(id));
      boolean whole =
          bytes.getInt(at) == Worker.RECORD_MAGIC
              && length != null
              && at + length <= size
              && bytes.getInt(at + 12) == length
              && bytes.slice(at, length).equals(ByteBuffer.wrap(Worker.record(id, length)));
      if (!whole || length == null) {
        at++;
        continue;
      }
      if (!found.add(id)) {
        findings.wrong("appended twice", file.path + ": record " + id);
      }
      missing.remove(id);
      covered += length;
      at += length;
    }
    if (unreadable > 0) {
      findings.done("block torn by a death");
    } else {
      missing
          .keySet()
          .forEach(
              id -> findings.wrong("append lost", file.path + ": record " + Long.toHexString(id)));
      if (covered != size && file.unknown.isEmpty()) {
        findings.wrong("append", file.path + ": " + (size - covered) + " bytes that nobody wrote");
      }
    }
  }

  private void checkCounters() {
    for (CounterFile file : board.counters.all()) {
      for (int i = 0; i < CounterFile.COUNT; i++) {
        try {
          byte[] bytes = readAt(file.path, (long) i * CounterFile.DISTANCE, 8);
          long value = bytes.length < 8 ? 0 : ByteBuffer.wrap(bytes).getLong();
          int least = file.counted[i].get();
          int most = least + file.unknown[i].get();
          if (value < least || value > most) {
            findings.wrong(
                "counter at the end",
                file.path + ", " + i + ": " + value + " instead of " + least + ".." + most);
          }
        } catch (ErrnoException e) {
          boolean never = e.errno() == Errno.ENOENT && file.counted[i].get() == 0;
          if (e.errno() == Errno.EIO && file.retired) {
            findings.done("block torn by a death");
          } else if (!never) {
            findings.wrong("unreadable at the end", file.path + ": " + e.getMessage());
          }
        }
      }
    }
  }

  private void checkTokens() {
    for (Token token : board.tokens) {
      Set<Path> places = new HashSet<>(token.doubts);
      places.add(token.path.get());
      int found = 0;
      for (Path place : places) {
        try {
          byte[] content = readAt(place, 0, token.content().length + 1);
          found++;
          if (!java.util.Arrays.equals(content, token.content())) {
            findings.wrong("file at the end", place + " has other contents");
          }
        } catch (ErrnoException e) {
          if (e.errno() != Errno.ENOENT) {
            findings.wrong("unreadable at the end", place + ": " + e.getMessage());
          }
        }
      }
      if (found == 0 || (found > 1 && token.doubts.isEmpty())) {
        findings.wrong(
            "file at the end", "token " + token.number + " is there " + found + " times");
      }
    }
  }
}
