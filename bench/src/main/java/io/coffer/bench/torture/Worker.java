package io.coffer.bench.torture;

import io.coffer.bench.torture.Board.AppendFile;
import io.coffer.bench.torture.Board.CellFile;
import io.coffer.bench.torture.Board.CounterFile;
import io.coffer.bench.torture.Board.ExclusiveName;
import io.coffer.bench.torture.Board.Hold;
import io.coffer.bench.torture.Board.Place;
import io.coffer.bench.torture.Board.Token;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** One program on one node: does one random thing after the other until it is told to stop. */
final class Worker implements Runnable {
  static final int RECORD_HEADER = 16;
  static final int RECORD_MAGIC = 0x5EC0_4D01;
  private static final int F_WRLCK = 1;
  private static final int F_UNLCK = 2;
  private static final int LARGEST_RECORD = 9000;
  private static final int DEATH_NOTICE_MILLIS = 10_000;

  private final Board board;
  private final Node node;
  private final int number;
  private final Random random;
  private final Findings findings;
  private final boolean truncates;
  private final boolean deaths;
  private volatile boolean stopped;
  private long sequence;

  Worker(Board board, Node node, int number, Findings findings, Torture.Plan plan) {
    this.board = board;
    this.node = node;
    this.number = number;
    this.random = new Random(plan.seed() * 1_000_003 + number);
    this.findings = findings;
    this.truncates = plan.truncations();
    this.deaths = !plan.killEvery().isZero();
  }

  void stop() {
    stopped = true;
  }

  @Override
  public void run() {
    while (!stopped) {
      if (!node.isUp()) {
        pause(10);
        continue;
      }
      int choice = random.nextInt(100);
      if (choice < 38) {
        write();
      } else if (choice < 56) {
        read();
      } else if (choice < 60) {
        truncate();
      } else if (choice < 72) {
        append();
      } else if (choice < 82) {
        count();
      } else if (choice < 90) {
        exclude();
      } else {
        move();
      }
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private String where(Path path) {
    return node + ", " + path;
  }

  /** Did the node die since? Then an error says nothing. */
  private boolean died(int life) {
    return !node.isUp() || node.life() != life;
  }

  private void failed(String what, Path path, ErrnoException e) {
    findings.wrong("error", what + " on " + where(path) + ": " + e.getMessage());
  }

  // Files of cells.

  private CellFile anyFile() {
    return board.files.get(random.nextInt(board.files.size())).current();
  }

  private Place<CellFile> placeOf(CellFile file) {
    for (Place<CellFile> each : board.files) {
      if (each.all().contains(file)) {
        return each;
      }
    }
    throw new IllegalStateException();
  }

  private long[] range(FileModel model) {
    // Mostly small and anywhere, sometimes over many blocks.
    int most = random.nextInt(8) == 0 ? 3000 : 300;
    int first = random.nextInt(model.cellCount());
    int length = 1 + random.nextInt(Math.min(most, model.cellCount() - first));
    return new long[] {first, first + length};
  }

  private void write() {
    CellFile file = anyFile();
    long[] range = range(file.model());
    int life = node.life();
    FileModel.Event event = file.model().beginWrite(range[0], range[1]);
    boolean opened = false;
    try {
      // What can only be written goes around the kernel's cache.
      int access = random.nextBoolean() ? Flags.O_WRONLY : Flags.O_RDWR;
      int descriptor = Native.open(node.root(), file.path(), access | Flags.O_CREAT);
      opened = true;
      try {
        Native.write(descriptor, FileModel.content(event), range[0] * FileModel.CELL);
      } finally {
        Linux.close(descriptor);
      }
      file.model().ended(event);
      findings.done("write");
    } catch (ErrnoException e) {
      lost(file, event, "write", life, e, opened);
    }
  }

  private void truncate() {
    CellFile file = anyFile();
    if (!truncates || random.nextInt(3) == 0) {
      return;
    }
    long keep = random.nextInt(4) == 0 ? 0 : random.nextInt(file.model().cellCount());
    int life = node.life();
    FileModel.Event event = file.model().beginTruncation(keep);
    boolean opened = false;
    try {
      int descriptor = Native.open(node.root(), file.path(), Flags.O_RDWR | Flags.O_CREAT);
      opened = true;
      try {
        Linux.truncate(descriptor, keep * FileModel.CELL);
      } finally {
        Linux.close(descriptor);
      }
      file.model().ended(event);
      findings.done("truncate");
    } catch (ErrnoException e) {
      lost(file, event, "truncate", life, e, opened);
    }
  }

  /**
   * A change that failed: its outcome is unknown, and if its node died it may have torn a block.
   */
  private void lost(
      CellFile file,
      FileModel.Event event,
      String what,
      int life,
      ErrnoException e,
      boolean opened) {
    if (died(life)) {
      if (opened) {
        file.model().died(event);
      }
    } else if (e.errno() == Errno.EIO && tornByDeath(file, event.firstCell, event.endCell)) {
      giveUp(file);
    } else {
      failed(what, file.path(), e);
    }
  }

  private void giveUp(CellFile file) {
    findings.done("file given up, torn by a death");
    file.model().retire();
    placeOf(file).giveUp(file);
  }

  /** The news of a death may come a little later than what it left. */
  private boolean tornByDeath(CellFile file, long firstCell, long endCell) {
    for (int waited = 0; deaths && waited < DEATH_NOTICE_MILLIS; waited += 50) {
      long last = endCell * FileModel.CELL / 4096;
      for (long block = firstCell * FileModel.CELL / 4096; block <= last; block++) {
        if (file.model().mayBeTorn(block)) {
          return true;
        }
      }
      if (file.model().mayEndBeTorn()) {
        return true;
      }
      pause(50);
    }
    return false;
  }

  private void read() {
    CellFile file = anyFile();
    long[] range = range(file.model());
    long offset = range[0] * FileModel.CELL;
    int length = (int) (range[1] - range[0]) * FileModel.CELL;
    int life = node.life();
    long begun = file.model().beginRead();
    byte[] bytes = {};
    try {
      int descriptor = Native.open(node.root(), file.path(), Flags.O_RDONLY);
      try {
        bytes = Native.read(descriptor, offset, length);
      } finally {
        Linux.close(descriptor);
      }
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT || died(life)) {
        file.model().endRead(begun);
        if (died(life)) {
          return;
        }
        if (e.errno() == Errno.EIO && tornByDeath(file, range[0], range[1])) {
          giveUp(file);
        } else {
          failed("read", file.path(), e);
        }
        return;
      }
    }
    String wrong = file.model().check(begun, offset, length, bytes);
    findings.done("read");
    if (wrong != null && !died(life)) {
      findings.wrong("wrong bytes", where(file.path()) + ": " + wrong);
    }
  }

  // Appended records.

  /** Magic, number of the record, length of the whole, then bytes that follow from the number. */
  static byte[] record(long number, int length) {
    ByteBuffer record = ByteBuffer.allocate(length);
    record.putInt(RECORD_MAGIC).putLong(number).putInt(length);
    for (int i = RECORD_HEADER; i < length; i++) {
      record.put(i, FileModel.value(number, i));
    }
    return record.array();
  }

  private void append() {
    AppendFile file = board.appends.current();
    long id = ((long) number << 32) | ++sequence;
    int length = RECORD_HEADER + random.nextInt(random.nextInt(5) == 0 ? LARGEST_RECORD : 500);
    int life = node.life();
    try {
      int descriptor =
          Native.open(node.root(), file.path, Flags.O_WRONLY | Flags.O_CREAT | Flags.O_APPEND);
      try {
        file.unknown.put(id, length);
        Native.write(descriptor, record(id, length), 0);
        file.written.put(id, length);
        file.unknown.remove(id);
      } finally {
        Linux.close(descriptor);
      }
      findings.done("append");
    } catch (ErrnoException e) {
      if (died(life)) {
        return;
      }
      file.unknown.remove(id);
      if (e.errno() == Errno.EIO && deaths && happens(() -> !file.unknown.isEmpty())) {
        file.retired = true;
        board.appends.giveUp(file);
        findings.done("file given up, torn by a death");
      } else {
        failed("append", file.path, e);
      }
    }
  }

  private static boolean happens(BooleanSupplier event) {
    for (int waited = 0; waited < DEATH_NOTICE_MILLIS; waited += 50) {
      if (event.getAsBoolean()) {
        return true;
      }
      pause(50);
    }
    return false;
  }

  // Counters under locks.

  private void count() {
    CounterFile file = board.counters.current();
    int which = random.nextInt(CounterFile.COUNT);
    long offset = (long) which * CounterFile.DISTANCE;
    int life = node.life();
    boolean writing = false;
    try {
      int descriptor = Native.open(node.root(), file.path, Flags.O_RDWR | Flags.O_CREAT);
      try {
        if (!lock(descriptor, offset, life)) {
          return;
        }
        Hold mine = new Hold(node, life);
        Hold before = file.holders.get(which).getAndSet(mine);
        if (before != null && before.isAlive()) {
          findings.wrong("lock", "two hold byte " + offset + " of " + where(file.path));
        }
        // Opened again: what others closed must be seen then.
        byte[] bytes = reread(file.path, offset);
        long value = bytes.length < 8 ? 0 : ByteBuffer.wrap(bytes).getLong();
        int least = file.counted[which].get();
        // One who had counted when its node was killed may not have said so yet. With its node a
        // lock dies, and others count on while this thread may still be waiting.
        boolean possible =
            value >= least
                && (value <= most(file, which)
                    || (deaths && happens(() -> value <= most(file, which))));
        if (!possible && !died(life)) {
          findings.wrong(
              "counter",
              where(file.path)
                  + ": "
                  + value
                  + ", but it was counted to "
                  + least
                  + ".."
                  + most(file, which));
        }
        writing = true;
        Native.write(descriptor, ByteBuffer.allocate(8).putLong(value + 1).array(), offset);
        if (!file.holders.get(which).compareAndSet(mine, null) && !died(life)) {
          findings.wrong("lock", "another held byte " + offset + " of " + where(file.path));
        }
        file.counted[which].accumulateAndGet((int) value + 1, Math::max);
        writing = false;
        Linux.tryLock(descriptor, F_UNLCK, offset, 8);
        findings.done("count");
      } finally {
        Linux.close(descriptor);
      }
    } catch (ErrnoException e) {
      if (died(life)) {
        if (writing) {
          file.unknown[which].incrementAndGet();
        }
      } else if (e.errno() == Errno.EIO
          && deaths
          && happens(() -> Arrays.stream(file.unknown).anyMatch(each -> each.get() > 0))) {
        file.retired = true;
        board.counters.giveUp(file);
        findings.done("file given up, torn by a death");
      } else {
        failed("count", file.path, e);
      }
    }
  }

  /** The highest value that a counter may have. */
  private static int most(CounterFile file, int which) {
    return file.counted[which].get() + file.unknown[which].get();
  }

  private boolean lock(int descriptor, long offset, int life) throws ErrnoException {
    while (!Linux.tryLock(descriptor, F_WRLCK, offset, 8)) {
      if (stopped || died(life)) {
        return false;
      }
      pause(1);
    }
    return true;
  }

  private byte[] reread(Path path, long offset) throws ErrnoException {
    int descriptor = Native.open(node.root(), path, Flags.O_RDONLY);
    try {
      return Native.read(descriptor, offset, 8);
    } finally {
      Linux.close(descriptor);
    }
  }

  // Names.

  private void exclude() {
    ExclusiveName name = board.exclusives.get(random.nextInt(board.exclusives.size()));
    int life = node.life();
    Hold stale = name.holder.get();
    if (stale != null && !stale.isAlive()) {
      clean(name, life);
      return;
    }
    Hold mine = new Hold(node, life);
    boolean made = false;
    name.cleaning.readLock().lock();
    try {
      make(name);
      made = true;
      Hold before = name.holder.getAndSet(mine);
      if (before != null && before.isAlive()) {
        findings.wrong("exclusive", "two made " + where(name.path));
      }
      if (random.nextInt(4) == 0) {
        pause(1);
      }
      if (!name.holder.compareAndSet(mine, null) && !died(life)) {
        findings.wrong("exclusive", "another made " + where(name.path));
      }
      remove(name);
      findings.done("make alone");
    } catch (ErrnoException e) {
      if (died(life)) {
        // Made, or not, or removed.
        name.holder.compareAndSet(null, mine);
      } else if (made || e.errno() != Errno.EEXIST) {
        failed(made ? "remove" : "make", name.path, e);
      }
    } finally {
      name.cleaning.readLock().unlock();
    }
  }

  private void make(ExclusiveName name) throws ErrnoException {
    if (name.directory) {
      Linux.makeDirectory(node.root(), Native.bytes(name.path), 0755);
    } else {
      Linux.close(
          Native.open(node.root(), name.path, Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL));
    }
  }

  private void remove(ExclusiveName name) throws ErrnoException {
    if (name.directory) {
      Linux.removeDirectory(node.root(), Native.bytes(name.path));
    } else {
      Linux.unlink(node.root(), Native.bytes(name.path));
    }
  }

  private void clean(ExclusiveName name, int life) {
    name.cleaning.writeLock().lock();
    try {
      Hold stale = name.holder.get();
      if (stale != null && !stale.isAlive()) {
        remove(name);
        name.holder.set(null);
      }
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT && !died(life)) {
        name.holder.set(null);
      } else if (!died(life)) {
        failed("remove", name.path, e);
      }
    } finally {
      name.cleaning.writeLock().unlock();
    }
  }

  private Path newName(Token token) {
    String name = "token-" + token.number + "-" + number + "-" + ++sequence;
    if (random.nextInt(3) == 0) {
      name = name + "-" + "z".repeat(190);
    }
    return Path.of("d" + random.nextInt(Board.DIRECTORIES), name);
  }

  /** Renames a token; or links it to a new name and removes the old one. */
  private void move() {
    Token token = board.tokens.get(random.nextInt(board.tokens.size()));
    if (!token.settling.tryLock()) {
      return;
    }
    boolean doubtful;
    try {
      doubtful = !token.doubts.isEmpty();
      if (doubtful) {
        settle(token);
      }
    } finally {
      token.settling.unlock();
    }
    if (doubtful) {
      return;
    }
    Path from = token.path.get();
    Path to = newName(token);
    int life = node.life();
    boolean links = random.nextInt(3) == 0;
    try {
      if (links) {
        linkAndUnlink(token, from, to);
      } else {
        Linux.rename(node.root(), Native.bytes(from), node.root(), Native.bytes(to), 0);
        if (!token.path.compareAndSet(from, to)) {
          findings.wrong("rename", "two renamed " + where(from));
        }
        findings.done("rename");
      }
    } catch (ErrnoException e) {
      if (died(life)) {
        token.settling.lock();
        try {
          token.doubts.add(from);
          token.doubts.add(to);
        } finally {
          token.settling.unlock();
        }
      } else if (e.errno() != Errno.ENOENT
          || !happens(() -> !token.path.get().equals(from) || !token.doubts.isEmpty())) {
        // Whoever moved it tells so right after.
        failed("rename", from, e);
      }
    }
  }

  private void linkAndUnlink(Token token, Path from, Path to) throws ErrnoException {
    Linux.link(node.root(), Native.bytes(from), node.root(), Native.bytes(to));
    try {
      Linux.unlink(node.root(), Native.bytes(from));
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        // Somebody moved the old name on meanwhile: ours is one too many.
        Linux.unlink(node.root(), Native.bytes(to));
        return;
      }
      throw e;
    }
    if (!token.path.compareAndSet(from, to)) {
      findings.wrong("link", "two removed " + where(from));
    }
    findings.done("link");
  }

  /** Finds out where a token is after a death; of two names one goes. */
  private void settle(Token token) {
    int life = node.life();
    try {
      Path found = null;
      Path known = token.path.get();
      token.doubts.add(known);
      for (Path each : token.doubts) {
        if (!each.equals(found) && exists(each)) {
          if (found != null) {
            Linux.unlink(node.root(), Native.bytes(each));
          } else {
            found = each;
          }
        }
      }
      if (found == null) {
        // Somebody may have moved it on meanwhile, who tells so right after.
        if (happens(() -> !token.path.get().equals(known)) || died(life)) {
          return;
        }
        findings.wrong("lost file", where(token.path.get()) + " or " + token.doubts);
        return;
      }
      token.path.set(found);
      token.doubts.clear();
    } catch (ErrnoException e) {
      if (!died(life)) {
        failed("settle", token.path.get(), e);
      }
    }
  }

  private boolean exists(Path path) throws ErrnoException {
    return status(path) != null;
  }

  private io.coffer.posix.@Nullable FileStatus status(Path path) throws ErrnoException {
    try {
      return Linux.status(node.root(), Native.bytes(path));
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return null;
      }
      throw e;
    }
  }
}
