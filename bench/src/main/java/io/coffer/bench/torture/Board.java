package io.coffer.bench.torture;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** What all workers write to, and what is known of it. Paths are relative to a mount. */
final class Board {
  /** A file that may have to be given up for the next of its kind, since a death tore a block. */
  static final class Place<T> {
    private final IntFunction<T> maker;
    private final List<T> all = new ArrayList<>();

    Place(IntFunction<T> maker) {
      this.maker = maker;
      all.add(maker.apply(0));
    }

    synchronized T current() {
      return all.getLast();
    }

    /** Takes the next one, unless somebody did already. */
    synchronized void giveUp(T given) {
      if (all.getLast().equals(given)) {
        all.add(maker.apply(all.size()));
      }
    }

    synchronized List<T> all() {
      return List.copyOf(all);
    }
  }

  /** A file of cells. */
  record CellFile(Path path, FileModel model) {}

  /** A file to which records are appended. */
  static final class AppendFile {
    final Path path;

    /** Lengths of records by their number; of those whose outcome is unknown too. */
    final ConcurrentHashMap<Long, Integer> written = new ConcurrentHashMap<>();

    final ConcurrentHashMap<Long, Integer> unknown = new ConcurrentHashMap<>();
    volatile boolean retired;

    AppendFile(Path path) {
      this.path = path;
    }
  }

  /** Counters that are counted up under locks of the file. */
  static final class CounterFile {
    static final int COUNT = 8;

    /** Not a divisor of any block size. */
    static final int DISTANCE = 1000;

    final Path path;
    final AtomicInteger[] counted = new AtomicInteger[COUNT];
    final AtomicInteger[] unknown = new AtomicInteger[COUNT];
    final List<AtomicReference<@Nullable Hold>> holders = new ArrayList<>();
    volatile boolean retired;

    CounterFile(Path path) {
      this.path = path;
      for (int i = 0; i < COUNT; i++) {
        counted[i] = new AtomicInteger();
        unknown[i] = new AtomicInteger();
        holders.add(new AtomicReference<>());
      }
    }
  }

  /** Somebody believes to be alone with something. */
  record Hold(Node node, int life) {
    boolean isAlive() {
      return node.isUp() && node.life() == life;
    }
  }

  /** A name that one at a time may make, and removes again. */
  static final class ExclusiveName {
    final Path path;
    final boolean directory;
    final AtomicReference<@Nullable Hold> holder = new AtomicReference<>();

    /** Shared by those who make it, exclusive for who removes what a dead node left. */
    final ReentrantReadWriteLock cleaning = new ReentrantReadWriteLock();

    ExclusiveName(Path path, boolean directory) {
      this.path = path;
      this.directory = directory;
    }
  }

  /** A file that is moved about. */
  static final class Token {
    final int number;
    final AtomicReference<Path> path;

    /** Where it may be besides, if an outcome is unknown. */
    final List<Path> doubts = new ArrayList<>();

    final ReentrantLock settling = new ReentrantLock();

    Token(int number, Path path) {
      this.number = number;
      this.path = new AtomicReference<>(path);
    }

    byte[] content() {
      return ("token " + number + "\n")
          .repeat(300)
          .getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }
  }

  static final int DIRECTORIES = 4;

  final Clock clock = new Clock();
  final List<Place<CellFile>> files = new ArrayList<>();
  final Place<AppendFile> appends;
  final Place<CounterFile> counters;
  final List<ExclusiveName> exclusives = new ArrayList<>();
  final List<Token> tokens = new ArrayList<>();

  Board(int fileCount, int cellCount, int blockBytes) {
    for (int i = 0; i < fileCount; i++) {
      int number = i;
      files.add(
          new Place<>(n ->
              new CellFile(
                  Path.of("cells-" + number + "-" + n),
                  new FileModel(clock, cellCount, blockBytes))));
    }
    appends = new Place<>(n -> new AppendFile(Path.of("appended-" + n)));
    counters = new Place<>(n -> new CounterFile(Path.of("counters-" + n)));
    for (int i = 0; i < 6; i++) {
      String name = (i % 2 == 0 ? "x" : "y".repeat(200)) + i;
      exclusives.add(new ExclusiveName(Path.of("d" + i % DIRECTORIES, name), i >= 3));
    }
    for (int i = 0; i < 16; i++) {
      tokens.add(new Token(i, Path.of("d" + i % DIRECTORIES, "token-" + i)));
    }
  }
}
