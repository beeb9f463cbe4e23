package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Locks between processes")
class PosixLockTest extends OnSubject {
  private static final int NONE = Person.F_UNLCK;
  private Person one = me;
  private Person two = me;
  private int first;
  private int second;

  PosixLockTest(Subject subject) {
    super(subject);
  }

  @BeforeEach
  void open() throws Exception {
    SocketChannel.open().close(); // Installs the JDK's signal handler that Person.interrupt uses.
    one = with(Person.otherProcess());
    two = with(Person.otherProcess());
    me.write(at("f"), "0123456789");
    first = one.open(at("f"), Flags.O_RDWR);
    second = two.open(at("f"), Flags.O_RDWR);
  }

  private void ends() throws ErrnoException {
    one.close(first);
    two.close(second);
  }

  @Test
  void a_range_belongs_to_one_writer_or_many_readers() throws ErrnoException {
    one.lock(first, Person.F_WRLCK, 0, 10);
    Expect.errnoOf(
        "a second writer",
        () -> two.lock(second, Person.F_WRLCK, 5, 10),
        Errno.EAGAIN,
        Errno.EACCES);
    Expect.errnoOf(
        "a reader of a written range",
        () -> two.lock(second, Person.F_RDLCK, 9, 1),
        Errno.EAGAIN,
        Errno.EACCES);
    two.lock(second, Person.F_WRLCK, 10, 10);
    assertEquals(Person.F_WRLCK, one.testLock(first, Person.F_RDLCK, 15, 1), "F_GETLK by one");
    assertEquals(Person.F_WRLCK, two.testLock(second, Person.F_RDLCK, 5, 1), "F_GETLK by two");
    assertEquals(NONE, one.testLock(first, Person.F_WRLCK, 5, 1), "own locks are no obstacle");
    one.lock(first, Person.F_RDLCK, 0, 10);
    two.lock(second, Person.F_RDLCK, 0, 10);
    Expect.errnoOf(
        "upgrading while another reads",
        () -> one.lock(first, Person.F_WRLCK, 0, 10),
        Errno.EAGAIN,
        Errno.EACCES);
    one.lock(first, Person.F_UNLCK, 0, 0);
    two.lock(second, Person.F_WRLCK, 0, 0);
    Expect.errnoOf(
        "far beyond the end, covered by a lock to the end",
        () -> one.lock(first, Person.F_RDLCK, 1L << 40, 1),
        Errno.EAGAIN,
        Errno.EACCES);
    ends();
  }

  @Test
  void unlocking_the_middle_splits_a_lock() throws ErrnoException {
    one.lock(first, Person.F_WRLCK, 0, 30);
    one.lock(first, Person.F_UNLCK, 10, 10);
    two.lock(second, Person.F_WRLCK, 10, 10);
    for (long place : new long[] {0, 9, 20, 29}) {
      assertEquals(
          Person.F_WRLCK, two.testLock(second, Person.F_RDLCK, place, 1), "lock at " + place);
    }
    assertEquals(NONE, two.testLock(second, Person.F_RDLCK, 30, 1), "lock at 30");
    ends();
  }

  @Test
  void closing_any_descriptor_drops_all_locks_of_the_process() throws ErrnoException {
    one.lock(first, Person.F_WRLCK, 0, 10);
    int other = one.open(at("f"), Flags.O_RDONLY);
    one.close(other);
    two.lock(second, Person.F_WRLCK, 0, 10);
    ends();
  }

  @Test
  void a_waiter_gets_the_lock_when_it_is_freed() throws ErrnoException {
    one.lock(first, Person.F_WRLCK, 0, 10);
    Future<Long> waiting = two.lockWaiting(second, Person.F_WRLCK, 0, 5);
    Mounted.sleep(300);
    assertFalse(waiting.isDone(), "the second locker should wait");
    one.lock(first, Person.F_UNLCK, 0, 10);
    Person.await(waiting, 10);
    assertEquals(Person.F_WRLCK, one.testLock(first, Person.F_RDLCK, 0, 1), "now two's lock");
    ends();
  }

  @Test
  void a_waiter_gets_the_lock_when_its_holder_dies() throws Exception {
    Person dying = Person.otherProcess();
    int file = dying.open(at("f"), Flags.O_RDWR);
    dying.lock(file, Person.F_WRLCK, 0, 10);
    Future<Long> waiting = two.lockWaiting(second, Person.F_WRLCK, 0, 10);
    Mounted.sleep(200);
    assertFalse(waiting.isDone(), "the second locker should wait");
    dying.close();
    Person.await(waiting, 10);
    ends();
  }

  @Test
  void a_waiter_can_be_interrupted() throws ErrnoException {
    one.lock(first, Person.F_WRLCK, 0, 10);
    Future<Long> waiting = two.lockWaiting(second, Person.F_WRLCK, 0, 10);
    Mounted.sleep(300);
    assertFalse(waiting.isDone(), "the second locker should wait");
    two.interrupt();
    Expect.errno(Errno.EINTR, "the interrupted wait", () -> Person.await(waiting, 10));
    one.lock(first, Person.F_UNLCK, 0, 10);
    Mounted.sleep(200);
    assertEquals(
        NONE,
        one.testLock(first, Person.F_WRLCK, 0, 10),
        "an interrupted waiter must not get the lock later");
    ends();
  }

  @Test
  void flock_shares_and_excludes() throws ErrnoException {
    one.flock(first, Person.LOCK_SH | Person.LOCK_NB);
    two.flock(second, Person.LOCK_SH | Person.LOCK_NB);
    Expect.errno(
        Errno.EAGAIN,
        "LOCK_EX beside a reader",
        () -> two.flock(second, Person.LOCK_EX | Person.LOCK_NB));
    one.flock(first, Person.LOCK_UN);
    two.flock(second, Person.LOCK_EX | Person.LOCK_NB);
    Expect.errno(
        Errno.EAGAIN,
        "LOCK_SH beside a writer",
        () -> one.flock(first, Person.LOCK_SH | Person.LOCK_NB));
    Future<Long> waiting = one.flockWaiting(first, Person.LOCK_EX);
    Mounted.sleep(300);
    assertFalse(waiting.isDone(), "the second locker should wait");
    two.close(second);
    Person.await(waiting, 10);
    one.close(first);
  }

  @Test
  void a_waiter_for_flock_can_be_interrupted() throws ErrnoException {
    one.flock(first, Person.LOCK_EX);
    Future<Long> waiting = two.flockWaiting(second, Person.LOCK_EX);
    Mounted.sleep(300);
    two.interrupt();
    Expect.errno(Errno.EINTR, "the interrupted wait", () -> Person.await(waiting, 10));
    ends();
  }

  @Test
  void flock_of_a_program_that_was_killed_is_free_again() throws Exception {
    Tools.need("flock");
    Command.Running holder =
        Command.of("flock", path.resolve("f"), "-c", "echo held; sleep 60").start();
    assertTrue(
        Mounted.waitUntil(java.time.Duration.ofSeconds(10), () -> holder.soFar().contains("held")),
        "flock should get the lock");
    Expect.errno(
        Errno.EAGAIN, "while held", () -> one.flock(first, Person.LOCK_EX | Person.LOCK_NB));
    holder.process().descendants().forEach(ProcessHandle::destroyForcibly);
    holder.process().destroyForcibly().waitFor();
    holder.finish(java.time.Duration.ofSeconds(5));
    assertTrue(
        Mounted.waitUntil(
            java.time.Duration.ofSeconds(10),
            () -> {
              try {
                one.flock(first, Person.LOCK_EX | Person.LOCK_NB);
                return true;
              } catch (ErrnoException e) {
                return false;
              }
            }),
        "the lock should be free when its holder was killed");
    ends();
  }
}
