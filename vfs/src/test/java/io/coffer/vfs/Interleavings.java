package io.coffer.vfs;

import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Runs operations of several nodes on one stored file in every order that their single steps can
 * have. A step is one call of the store: looking at the size, reading, a part of a write, cutting,
 * taking a lock. The nodes are real {@link Contents}, each with a state of its own; between two
 * steps nothing runs but what this class lets run. So what is explored is the code, not a picture
 * of it.
 *
 * <p>Orders are enumerated depth first: each run replays the choices of the one before up to the
 * last place where another choice is left.
 */
final class Interleavings {
  /** What one node does. Returns what it saw, if it looks. */
  interface Operation {
    byte @Nullable [] run(Node node) throws ErrnoException;
  }

  /** How many runs there were and which different outcomes. */
  record Result(int runs, TreeSet<String> outcomes) {}

  private final VolumeFormat format;
  private final boolean locks;
  private final boolean tornWrites;

  /**
   * @param locks the store keeps locks; else each is granted and means nothing
   * @param tornWrites another node may look when half of a write is done
   */
  Interleavings(VolumeFormat format, boolean locks, boolean tornWrites) {
    this.format = format;
    this.locks = locks;
    this.tornWrites = tornWrites;
  }

  /** A file's contents in short: runs of equal bytes. */
  static String describe(byte[] content) {
    var text = new StringBuilder();
    for (int i = 0; i < content.length; ) {
      int end = i;
      while (end < content.length && content[end] == content[i]) {
        end++;
      }
      text.append(content[i] == 0 ? "0" : String.valueOf((char) content[i]))
          .append('*')
          .append(end - i)
          .append(' ');
      i = end;
    }
    return text.isEmpty() ? "empty" : text.toString().strip();
  }

  /**
   * Every order of the steps.
   *
   * @param initial plain contents before
   * @param killed the node that dies, or -1
   * @param killedAt before which of its steps
   * @param mostRuns give up after so many
   * @param enough end with the first outcome of this kind
   */
  Result explore(
      byte[] initial,
      List<Operation> operations,
      int killed,
      int killedAt,
      int mostRuns,
      Predicate<String> enough)
      throws Exception {
    byte[] stored = seal(initial);
    var outcomes = new TreeSet<String>();
    int runs = 0;
    List<Integer> choices = new ArrayList<>();
    while (runs < mostRuns) {
      Run run = new Run(stored, operations, killed, killedAt);
      String outcome = run.play(choices);
      outcomes.add(outcome);
      runs++;
      if (enough.test(outcome)) {
        break;
      }
      choices = run.nextChoices();
      if (choices == null) {
        break;
      }
    }
    return new Result(runs, outcomes);
  }

  /** The stored form of contents. */
  private byte[] seal(byte[] plain) throws Exception {
    Run run = new Run(new byte[0], List.of(), -1, 0);
    if (plain.length > 0) {
      run.quiet.put(0, plain);
    }
    return run.content.clone();
  }

  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private record Lock(int owner, boolean exclusive, long start, long end) {}

  /** One order. */
  private final class Run {
    private final List<Operation> operations;
    private final int killed;
    private final int killedAt;
    private final Semaphore arrived = new Semaphore(0);
    private final List<Node> nodes = new ArrayList<>();
    private final List<Lock> held = new ArrayList<>();
    private final List<Integer> taken = new ArrayList<>();
    private final List<Integer> alternatives = new ArrayList<>();

    /** Looks at and prepares the file without being scheduled. */
    final Node quiet;

    byte[] content;

    Run(byte[] stored, List<Operation> operations, int killed, int killedAt) {
      this.content = stored.clone();
      this.operations = operations;
      this.killed = killed;
      this.killedAt = killedAt;
      this.quiet = new Node(this, -1, false);
    }

    String play(List<Integer> choices) throws Exception {
      for (int i = 0; i < operations.size(); i++) {
        nodes.add(new Node(this, i, true));
      }
      for (Node each : nodes) {
        each.start(operations.get(each.number));
      }
      arrived.acquire(nodes.size());
      while (true) {
        List<Node> ready = nodes.stream().filter(Node::canStep).toList();
        if (ready.isEmpty()) {
          break;
        }
        int choice = taken.size() < choices.size() ? choices.get(taken.size()) : 0;
        taken.add(choice);
        alternatives.add(ready.size());
        ready.get(choice).step();
        arrived.acquire();
      }
      var seen = new ArrayList<String>();
      for (Node each : nodes) {
        if (!each.ended) {
          throw new AssertionError("node " + each.number + " waits for ever");
        }
        each.thread.join();
        seen.add(each.result);
      }
      String text;
      try {
        text = describe(quiet.look(0, 64 * 1024));
      } catch (ErrnoException e) {
        text = "unreadable";
      }
      return text + " | " + String.join(" | ", seen);
    }

    /** The choices of the next order, or null if this was the last. */
    @Nullable List<Integer> nextChoices() {
      int last = taken.size() - 1;
      while (last >= 0 && taken.get(last) + 1 >= alternatives.get(last)) {
        last--;
      }
      if (last < 0) {
        return null;
      }
      var next = new ArrayList<>(taken.subList(0, last + 1));
      next.set(last, taken.get(last) + 1);
      return next;
    }

    private boolean isFree(int owner, boolean exclusive, long start, long end) {
      return held.stream()
          .noneMatch(each ->
              each.owner != owner
                  && (exclusive || each.exclusive)
                  && each.start <= end
                  && start <= each.end);
    }
  }

  /** A node of the cluster: contents and state of its own, on the common stored file. */
  final class Node implements StoreFile {
    private static final long FOREVER = Long.MAX_VALUE;

    private final Run run;
    private final int number;
    private final boolean scheduled;
    private final Contents contents;
    private final FileState state;
    private final Semaphore go = new Semaphore(0);
    private Thread thread = Thread.currentThread();
    private @Nullable Lock wanted;
    private int steps;
    private volatile boolean ended;
    private String result = "";

    private Node(Run run, int number, boolean scheduled) {
      this.run = run;
      this.number = number;
      this.scheduled = scheduled;
      this.contents =
          new Contents(
              format,
              EncryptedFilesystem.Options.defaults().withShared(scheduled),
              false,
              new DamageLog(),
              inode -> "file");
      this.state = new FileState(new Inode(2, fileStatus()));
    }

    void start(Operation operation) {
      thread =
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                try {
                  byte[] seen = operation.run(this);
                  result = seen == null ? "done" : "saw " + describe(seen);
                } catch (ErrnoException e) {
                  result = "error " + e.errno();
                } catch (Killed e) {
                  result = "killed";
                } finally {
                  run.held.removeIf(each -> each.owner == number);
                  ended = true;
                  run.arrived.release();
                }
              });
    }

    private boolean canStep() {
      Lock lock = wanted;
      return !ended
          && (lock == null
              || !locks
              || run.isFree(lock.owner, lock.exclusive, lock.start, lock.end));
    }

    private void step() {
      go.release();
    }

    /** Waits to be chosen. Only then the store is touched. */
    private void gate() {
      if (!scheduled) {
        return;
      }
      if (number == run.killed && steps >= run.killedAt) {
        throw new Killed();
      }
      steps++;
      run.arrived.release();
      go.acquireUninterruptibly();
    }

    // What operations are made of.

    void put(long offset, byte[] bytes) throws ErrnoException {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
        int written = contents.write(state, this, offset, from, 0, bytes.length);
        if (written != bytes.length) {
          throw new AssertionError("short write");
        }
      }
    }

    void cut(long size) throws ErrnoException {
      contents.truncate(state, this, size);
    }

    byte[] look(long offset, int length) throws ErrnoException {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment to = arena.allocate(length);
        int read = contents.read(state, this, offset, to, 0, length);
        return to.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
      }
    }

    // The store.

    private FileStatus fileStatus() {
      var time = new Timestamp(1, 0);
      return new FileStatus(
          1,
          7,
          FileStatus.TYPE_REGULAR | 0644,
          1,
          0,
          0,
          0,
          run.content.length,
          0,
          4096,
          time,
          time,
          time,
          time);
    }

    @Override
    public FileStatus status() {
      gate();
      return fileStatus();
    }

    @Override
    public int read(MemorySegment to, long position, int length, long offset) {
      gate();
      int count = (int) Math.max(0, Math.min(length, run.content.length - offset));
      if (count > 0) {
        MemorySegment.copy(run.content, (int) offset, to, ValueLayout.JAVA_BYTE, position, count);
      }
      return count;
    }

    @Override
    public int write(MemorySegment from, long position, int length, long offset) {
      int done = 0;
      while (done < length) {
        int part = tornWrites && done == 0 && length > 1 ? length / 2 : length - done;
        gate();
        int end = Math.toIntExact(offset + done + part);
        if (end > run.content.length) {
          run.content = Arrays.copyOf(run.content, end);
        }
        MemorySegment.copy(
            from, ValueLayout.JAVA_BYTE, position + done, run.content, (int) offset + done, part);
        done += part;
      }
      return length;
    }

    @Override
    public void truncate(long size) {
      gate();
      run.content = Arrays.copyOf(run.content, Math.toIntExact(size));
    }

    @Override
    public boolean tryLock(LockType type, long start, long length) {
      if (type != LockType.UNLOCK) {
        throw new UnsupportedOperationException();
      }
      // No step of its own: whoever waits may go on now, or later.
      long end = length == 0 ? FOREVER : start + length - 1;
      run.held.removeIf(each -> each.owner == number && each.start == start && each.end == end);
      return true;
    }

    @Override
    public void lock(LockType type, long start, long length) {
      if (!scheduled) {
        return;
      }
      long end = length == 0 ? FOREVER : start + length - 1;
      wanted = new Lock(number, type == LockType.EXCLUSIVE, start, end);
      gate();
      run.held.add(new Lock(number, type == LockType.EXCLUSIVE, start, end));
      wanted = null;
    }

    @Override
    public @Nullable FileLock testLock(LockType type, long start, long length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean tryFlock(LockType type) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void sync(boolean dataOnly) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void allocate(int mode, long offset, long length) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long seek(long offset, int whence) throws ErrnoException {
      throw new ErrnoException(Errno.EINVAL);
    }

    @Override
    public void changeMode(int mode) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void changeOwner(int uid, int gid) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void changeTimes(Timestamp accessed, Timestamp modified) {
      throw new UnsupportedOperationException();
    }

    @Override
    public byte @Nullable [] getXattr(byte[] attribute) {
      return null;
    }

    @Override
    public void setXattr(byte[] attribute, byte[] value, int flags) {
      throw new UnsupportedOperationException();
    }

    @Override
    public byte[] listXattrs() {
      return new byte[0];
    }

    @Override
    public void removeXattr(byte[] attribute) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void linkInto(StoreDirectory directory, byte[] name) {
      throw new UnsupportedOperationException();
    }

    @Override
    public StoreFile reopen(int flags) {
      return this;
    }

    @Override
    public void close() {}
  }
}
