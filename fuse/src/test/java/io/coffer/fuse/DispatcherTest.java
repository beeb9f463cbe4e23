package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Timestamp;
import io.coffer.posix.Words;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests as bytes, and the answers to them as bytes; without a kernel. */
@Timeout(60)
class DispatcherTest {
  private static final int PAYLOAD_BYTES = 1 << 20;
  private static final int UNIQUE = 4711;

  /** An answer as the kernel would get it. */
  private record Answer(int error, long unique, ByteBuffer body) {}

  private final Arena arena = Arena.ofShared();
  private final DeviceExchange buffers =
      new DeviceExchange(arena, PAYLOAD_BYTES, this::receive, Thread::start);
  private final BlockingQueue<Answer> answers = new LinkedBlockingQueue<>();
  private final Everything files = new Everything();
  private final List<Long> dropped = new CopyOnWriteArrayList<>();
  private final Dispatcher dispatcher = new Dispatcher(files, dropped::add);

  @AfterEach
  void close() {
    dispatcher.close();
    arena.close();
  }

  private void receive(MemorySegment head, long headBytes, MemorySegment payload, long bytes) {
    assertEquals(headBytes + bytes, head.get(ValueLayout.JAVA_INT, 0));
    ByteBuffer body =
        ByteBuffer.allocate((int) (headBytes - Reply.HEADER_BYTES + bytes))
            .order(ByteOrder.nativeOrder());
    body.put(head.asSlice(Reply.HEADER_BYTES, headBytes - Reply.HEADER_BYTES).asByteBuffer());
    body.put(payload.asSlice(0, bytes).asByteBuffer());
    answers.add(
        new Answer(
            head.get(ValueLayout.JAVA_INT, 4), head.get(ValueLayout.JAVA_LONG, 8), body.flip()));
  }

  /** Integers of 4 or 8 bytes, strings with their NUL, bytes. */
  private static byte[] body(Object... parts) {
    ByteBuffer b = ByteBuffer.allocate(1 << 16).order(ByteOrder.nativeOrder());
    for (Object part : parts) {
      switch (part) {
        case Integer number -> b.putInt(number);
        case Long number -> b.putLong(number);
        case String text -> b.put(text.getBytes(StandardCharsets.US_ASCII)).put((byte) 0);
        case byte[] bytes -> b.put(bytes);
        default -> throw new IllegalArgumentException(part.toString());
      }
    }
    return Arrays.copyOf(b.array(), b.position());
  }

  private void put(int opcode, long id, byte[] body, int length) {
    MemorySegment in = buffers.request;
    in.asSlice(0, 200).fill((byte) 0);
    in.set(ValueLayout.JAVA_INT, 0, length);
    in.set(ValueLayout.JAVA_INT, 4, opcode);
    in.set(ValueLayout.JAVA_LONG, 8, UNIQUE);
    in.set(ValueLayout.JAVA_LONG, 16, id);
    in.set(ValueLayout.JAVA_INT, 24, 1000);
    in.set(ValueLayout.JAVA_INT, 28, 100);
    in.set(ValueLayout.JAVA_INT, 32, 77);
    MemorySegment.copy(body, 0, in, ValueLayout.JAVA_BYTE, 40, body.length);
  }

  private @Nullable Answer ask(int opcode, long id, Object... parts) {
    byte[] body = body(parts);
    put(opcode, id, body, 40 + body.length);
    dispatcher.dispatch(buffers, 40 + body.length);
    return answers.poll();
  }

  private Answer answer(int opcode, long id, Object... parts) {
    Answer answer = ask(opcode, id, parts);
    if (answer == null) {
      throw new AssertionError("no answer to operation " + opcode);
    }
    assertEquals(UNIQUE, answer.unique());
    return answer;
  }

  @Nested
  class ARequest {
    @Test
    void thatNobodyKnowsGetsEnosys() {
      for (int opcode : new int[] {0, 7, 37, 40, 48, 49, 54, 99, 4096, 436207616, -1}) {
        assertEquals(-Errno.ENOSYS, answer(opcode, 1, 0L, 0L).error(), "operation " + opcode);
      }
    }

    @Test
    void withAnUnknownIoctlGetsEnotty() {
      assertEquals(-Errno.ENOTTY, answer(Opcode.IOCTL, 1, 0L, 0, 0x1234, 0L, 0, 0).error());
    }

    @Test
    void thatIsTooShortGetsEinvalAndDoesNothing() {
      for (int opcode = 0; opcode <= 60; opcode++) {
        boolean hasBody =
            switch (opcode) {
              case Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT -> true;
              case Opcode.STATFS, Opcode.READLINK, Opcode.SYNCFS, Opcode.DESTROY -> false;
              case Opcode.IOCTL -> false;
              default -> opcode != 0;
            };
        Answer answer = hasBody ? ask(opcode, 1) : null;
        if (answer != null && answer.error() != -Errno.ENOSYS) {
          assertEquals(-Errno.EINVAL, answer.error(), "operation " + opcode);
        }
      }
      assertEquals("", files.calls.toString());
    }

    @Test
    void whoseLengthIsNotWhatWasReadIsDropped() {
      put(Opcode.STATFS, 1, new byte[0], 41);
      dispatcher.dispatch(buffers, 40);
      dispatcher.dispatch(buffers, 12);
      dispatcher.dispatch(buffers, 0);
      assertTrue(answers.isEmpty());
      assertEquals("", files.calls.toString());
    }

    @Test
    void whoseNameIsNoneGetsEinval() {
      for (String name : new String[] {"", ".", "..", "a/b", "/"}) {
        assertEquals(-Errno.EINVAL, answer(Opcode.LOOKUP, 1, name).error(), name);
      }
      byte[] unended = {'a', 'b'};
      assertEquals(-Errno.EINVAL, answer(Opcode.LOOKUP, 1, unended).error());
      assertEquals(
          -Errno.EINVAL, answer(Opcode.RENAME, 1, 1L, "from", new byte[] {'t', 'o'}).error());
      assertEquals("", files.calls.toString());
    }

    @Test
    void withARandomBodyNeverDoesHarm() {
      long seed = System.nanoTime();
      Random random = new Random(seed);
      for (int i = 0; i < 20_000; i++) {
        byte[] body = new byte[random.nextInt(160)];
        random.nextBytes(body);
        if (random.nextBoolean()) {
          // Small numbers reach further into the decoder.
          for (int j = 0; j < body.length; j++) {
            body[j] = j % 4 == 0 ? body[j] : 0;
          }
        }
        int opcode = random.nextInt(56);
        put(opcode, random.nextLong(), body, 40 + body.length);
        dispatcher.dispatch(buffers, 40 + body.length);
        int answered = answers.size();
        answers.clear();
        boolean silent =
            opcode == Opcode.FORGET
                || opcode == Opcode.BATCH_FORGET
                || opcode == Opcode.INTERRUPT
                || opcode == Opcode.SETLKW;
        assertTrue(answered == 1 || silent, "seed " + seed + ", operation " + opcode);
        files.calls.setLength(0);
      }
    }

    @Test
    void toForgetIsNotAnswered() {
      assertEquals(null, ask(Opcode.FORGET, 9, 3L));
      assertEquals(null, ask(Opcode.BATCH_FORGET, 0, 2, 0, 5L, 1L, 6L, 2L));
      assertEquals("forget 9 3;forget 5 1;forget 6 2;", files.calls.toString());
    }

    @Test
    void toForgetManyForgetsThemAll() {
      List<Object> body = new ArrayList<>(List.of(40, 0));
      var expected = new StringBuilder();
      for (long id = 2; id < 42; id++) {
        body.add(id);
        body.add(id + 1);
        expected.append("forget ").append(id).append(' ').append(id + 1).append(';');
      }
      assertEquals(null, ask(Opcode.BATCH_FORGET, 0, body.toArray()));
      assertEquals(expected.toString(), files.calls.toString());
    }

    @Test
    void toForgetMoreThanItNamesForgetsWhatItNames() {
      assertEquals(null, ask(Opcode.BATCH_FORGET, 0, -1, 0, 5L, 1L));
      assertEquals("forget 5 1;", files.calls.toString());
    }
  }

  @Nested
  class Arguments {
    @Test
    void ofWriteArePayloadInPlaceOnAPageBoundary() {
      byte[] data = {1, 2, 3, 4, 5};
      Answer answer = answer(Opcode.WRITE, 8, 3L, 1L << 40, 5, 4, 0L, 0, 0, data);
      assertEquals(0, answer.error());
      assertEquals(5, answer.body().getInt());
      assertArrayEquals(data, files.written);
      assertEquals(0, files.writtenAddress % 4096);
      assertEquals("write 8 3 1099511627776 true;", files.calls.toString());
    }

    @Test
    void ofWriteMayNotClaimMoreThanThereIs() {
      for (int size : new int[] {6, 1 << 20, Integer.MAX_VALUE, -1}) {
        assertEquals(
            -Errno.EINVAL, answer(Opcode.WRITE, 8, 3L, 0L, size, 0, 0L, 0, 0, new byte[5]).error());
      }
      assertEquals("", files.calls.toString());
    }

    @Test
    void ofReadAreBoundedByTheBuffer() {
      Answer answer = answer(Opcode.READ, 8, 3L, 100L, -1, 0, 0L, 0, 0);
      assertEquals(PAYLOAD_BYTES, answer.body().remaining());
      assertEquals("read 8 3 100 1048576;", files.calls.toString());
    }

    @Test
    void ofSetattrAreOnlyTheOnesThatCount() {
      int valid = 1 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 6;
      answer(
          Opcode.SETATTR, 8, valid, 0, 3L, 99L, 0L, 11L, 22L, 33L, 44, 55, 66, 0100640, 0, 1, 2, 0);
      assertEquals(
          "change 8 StatusChange[handle=3, mode=416, uid=null, gid=null, size=99,"
              + " accessed=Timestamp[seconds=11, nanos=44], modified="
              + Timestamp.NOW
              + ", killPrivileges=false];",
          files.calls.toString());
    }

    @Test
    void ofSetattrMayNotHoldAnImpossibleTime() {
      Object[] body = {1 << 4, 0, 0L, 0L, 0L, 11L, 22L, 33L, 1_000_000_000, 0, 0, 0, 0, 0, 0, 0};
      assertEquals(-Errno.EINVAL, answer(Opcode.SETATTR, 8, body).error());
    }

    @Test
    void ofSetxattrDependOnWhatWasAgreed() {
      answer(Opcode.SETXATTR, 8, 3, 1, "user.a", new byte[] {7, 8, 9});
      dispatcher.useExtendedSetXattr();
      answer(Opcode.SETXATTR, 8, 3, 2, 0, 0, "user.b", new byte[] {7, 8, 9});
      assertEquals(
          "setXattr 8 user.a [7, 8, 9] 1;setXattr 8 user.b [7, 8, 9] 2;", files.calls.toString());
      assertEquals(
          -Errno.EINVAL, answer(Opcode.SETXATTR, 8, 4, 2, 0, 0, "user.b", new byte[3]).error());
    }

    @Test
    void ofALockMayNotEndBeforeItBegins() {
      assertEquals(-Errno.EINVAL, answer(Opcode.SETLK, 8, 3L, 5L, 10L, 9L, 1, 77, 0, 0).error());
      assertEquals(-Errno.EINVAL, answer(Opcode.SETLK, 8, 3L, 5L, 0L, 9L, 3, 77, 0, 0).error());
    }
  }

  @Nested
  class Answers {
    @Test
    void toGetxattrTellTheSizeFirst() {
      assertEquals(3, answer(Opcode.GETXATTR, 8, 0, 0, "user.a").body().getInt());
      assertEquals(-Errno.ERANGE, answer(Opcode.GETXATTR, 8, 2, 0, "user.a").error());
      ByteBuffer value = answer(Opcode.GETXATTR, 8, 3, 0, "user.a").body();
      assertEquals(ByteBuffer.wrap(new byte[] {1, 2, 3}), value);
    }

    @Test
    void toReaddirEndOnEightBytesAndFitTheRoom() {
      ByteBuffer plain = answer(Opcode.READDIR, 1, 9L, 0L, 100, 0, 0L, 0, 0).body();
      // Three entries of 32 bytes each; a fourth would not fit.
      assertEquals(96, plain.remaining());
      assertEquals(3, plain.getInt(16));
      assertEquals(8, plain.getInt(20));
      assertEquals('n', plain.get(24));
      assertEquals(1, plain.getLong(8));
      ByteBuffer plus = answer(Opcode.READDIRPLUS, 1, 9L, 0L, 4096, 0, 0L, 0, 0).body();
      assertEquals(4096 / 160 * 160, plus.remaining());
      assertEquals(50, plus.getLong(0));
    }

    @Test
    void toReaddirKeepWhatWasListedBeforeAnError() {
      files.failAfter = 2;
      assertEquals(64, answer(Opcode.READDIR, 1, 9L, 0L, 4096, 0, 0L, 0, 0).body().remaining());
      files.failAfter = 0;
      assertEquals(-Errno.EIO, answer(Opcode.READDIR, 1, 9L, 2L, 4096, 0, 0L, 0, 0).error());
    }

    @Test
    void toCopyFileRangeFitBothForms() {
      Object[] body = {3L, 0L, 9L, 4L, 0L, 1L << 50, 0L};
      assertEquals(1 << 30, answer(Opcode.COPY_FILE_RANGE, 8, body).body().getInt());
      assertEquals(1L << 30, answer(Opcode.COPY_FILE_RANGE_64, 8, body).body().getLong());
    }

    @Test
    void carryDeviceNumbersAsTheKernelEncodesThem() {
      for (long device : new long[] {0x103, 0xfff00ffL, 0x123456789L & 0xfffffffL}) {
        var b = new Words(256);
        FileStatus status = Everything.status(9, FileStatus.TYPE_BLOCK_DEVICE, device);
        Reply.putEntry(b, 0, new Filesystem.EntryReply(9, 0, status, 0, 0));
        assertEquals(device, Reply.decodeDevice(b.u32(40 + 76)));
      }
    }

    @Test
    void toReleaseComeAlthoughUnlockingFailed() {
      files.failFlock = true;
      assertEquals(-Errno.EIO, answer(Opcode.RELEASE, 8, 3L, 0, 2, 5L).error());
      assertEquals("tryFlock 3 2;release 3;", files.calls.toString());
    }
  }

  @Test
  @Timeout(10)
  void aSeekInAFileThatIsHeldBackIsAnsweredWhenTheKernelHasSentIt() throws InterruptedException {
    files.heldBack = true;
    Answer answer = ask(Opcode.LSEEK, 8, 3L, 4096L, 4, 0);
    if (answer == null) {
      answer = answers.take();
    }
    assertEquals(List.of(8L), dropped);
    assertEquals(4096, answer.body().getLong());
    assertEquals(UNIQUE, answer.unique());
  }

  @Nested
  class AWaitForALock {
    private static final int WAIT_NANOS = 200_000_000;

    private void waitForLock() {
      files.lockIsFree = false;
      assertEquals(null, ask(Opcode.SETLKW, 8, 3L, 5L, 0L, 9L, 1, 77, 0, 0));
    }

    @Test
    void endsWhenTheLockIsFree() throws InterruptedException {
      waitForLock();
      assertEquals(null, answers.poll(WAIT_NANOS, TimeUnit.NANOSECONDS));
      files.lockIsFree = true;
      Answer answer = answers.poll(5, TimeUnit.SECONDS);
      assertTrue(answer != null && answer.error() == 0 && answer.unique() == UNIQUE);
    }

    @Test
    void endsWithEintrWhenInterrupted() throws InterruptedException {
      waitForLock();
      // The interruption itself has no answer; the one of the wait may come before ask returns.
      Answer answer = ask(Opcode.INTERRUPT, 0, (long) UNIQUE);
      if (answer == null) {
        answer = answers.poll(5, TimeUnit.SECONDS);
      }
      assertTrue(answer != null && answer.error() == -Errno.EINTR);
      assertEquals(null, answers.poll());
    }

    @Test
    void endsWithEintrWhenTheInterruptionCameFirst() throws InterruptedException {
      assertEquals(null, ask(Opcode.INTERRUPT, 0, (long) UNIQUE));
      files.lockIsFree = false;
      Answer answer = ask(Opcode.SETLKW, 8, 3L, 5L, 0L, 9L, 1, 77, 0, 0);
      if (answer == null) {
        answer = answers.poll(5, TimeUnit.SECONDS);
      }
      assertTrue(answer != null && answer.error() == -Errno.EINTR);
    }

    @Test
    void isNotDisturbedByTheInterruptionOfAnother() throws InterruptedException {
      waitForLock();
      assertEquals(null, ask(Opcode.INTERRUPT, 0, UNIQUE + 2L));
      assertEquals(null, answers.poll(WAIT_NANOS, TimeUnit.NANOSECONDS));
      files.lockIsFree = true;
      Answer answer = answers.poll(5, TimeUnit.SECONDS);
      assertTrue(answer != null && answer.error() == 0);
    }

    @Test
    void endsWhenTheMountEnds() throws InterruptedException {
      waitForLock();
      dispatcher.close();
      Answer answer = answers.poll(5, TimeUnit.SECONDS);
      assertTrue(answer != null && answer.error() == -Errno.EINTR);
    }
  }

  @Test
  void aBugInAHandlerIsEioAndTheNextRequestIsServed() {
    files.bug = true;
    assertEquals(-Errno.EIO, answer(Opcode.LOOKUP, 1, "name").error());
    files.bug = false;
    assertEquals(0, answer(Opcode.LOOKUP, 1, "name").error());
    assertFalse(files.calls.isEmpty());
  }

  /** Answers everything, and writes down what it was asked. */
  private static final class Everything implements Filesystem {
    final StringBuilder calls = new StringBuilder();
    byte[] written = {};
    long writtenAddress;
    int failAfter = Integer.MAX_VALUE;
    boolean failFlock;
    boolean bug;
    boolean heldBack;
    volatile boolean lockIsFree = true;

    static FileStatus status(long id, int mode, long device) {
      Timestamp time = new Timestamp(1, 2);
      return new FileStatus(5, id, mode, 1, 0, 0, device, 0, 0, 4096, time, time, time, null);
    }

    private static FileStatus status(long id) {
      return status(id, FileStatus.TYPE_REGULAR | 0644, 0);
    }

    private static EntryReply entry(long id) {
      return new EntryReply(id, 0, status(id), 0, 0);
    }

    private void call(Object... words) {
      for (int i = 0; i < words.length; i++) {
        calls.append(i == 0 ? "" : " ").append(words[i]);
      }
      calls.append(';');
    }

    @Override
    public EntryReply lookup(Caller caller, long parent, byte[] name) {
      if (bug) {
        throw new IllegalStateException("a bug");
      }
      assertEquals(1000, caller.uid());
      assertEquals(100, caller.gid());
      assertEquals(77, caller.pid());
      call("lookup", parent);
      return entry(50);
    }

    @Override
    public void forget(long id, long count) {
      call("forget", id, count);
    }

    @Override
    public StatusReply status(Caller caller, long id, long handle) {
      call("status", id, handle);
      return new StatusReply(status(id), 0);
    }

    @Override
    public StatusReply change(Caller caller, long id, StatusChange change) {
      call("change", id, change);
      return new StatusReply(status(id), 0);
    }

    @Override
    public byte[] readLink(Caller caller, long id) {
      call("readLink");
      return new byte[] {'t'};
    }

    @Override
    public EntryReply symlink(Caller caller, long parent, byte[] name, byte[] target) {
      call("symlink");
      return entry(51);
    }

    @Override
    public EntryReply makeNode(
        Caller caller, long parent, byte[] name, int mode, int umask, long device) {
      call("makeNode");
      return entry(52);
    }

    @Override
    public EntryReply makeDirectory(Caller caller, long parent, byte[] name, int mode, int umask) {
      call("makeDirectory");
      return entry(53);
    }

    @Override
    public void unlink(Caller caller, long parent, byte[] name) {
      call("unlink");
    }

    @Override
    public void removeDirectory(Caller caller, long parent, byte[] name) {
      call("removeDirectory");
    }

    @Override
    public void rename(
        Caller caller, long parent, byte[] name, long newParent, byte[] newName, int flags) {
      call("rename");
    }

    @Override
    public EntryReply link(Caller caller, long id, long newParent, byte[] newName) {
      call("link");
      return entry(id);
    }

    @Override
    public OpenReply open(Caller caller, long id, int flags) {
      call("open");
      return new OpenReply(3, 0);
    }

    @Override
    public CreateReply create(
        Caller caller, long parent, byte[] name, int flags, int mode, int umask) {
      call("create");
      return new CreateReply(entry(54), new OpenReply(3, 0));
    }

    @Override
    public CreateReply createTemporary(Caller caller, long parent, int flags, int mode, int umask) {
      call("createTemporary");
      return new CreateReply(entry(55), new OpenReply(3, 0));
    }

    @Override
    public int read(
        Caller caller,
        long id,
        long handle,
        long offset,
        MemorySegment to,
        long position,
        int length) {
      call("read", id, handle, offset, length);
      to.asSlice(position, length).fill((byte) 1);
      return length;
    }

    @Override
    public int write(
        Caller caller,
        long id,
        long handle,
        long offset,
        MemorySegment from,
        long position,
        int length,
        boolean fromCache,
        boolean killPrivileges) {
      call("write", id, handle, offset, killPrivileges);
      written = from.asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
      writtenAddress = from.address() + position;
      return length;
    }

    @Override
    public FilesystemStatus filesystemStatus(Caller caller, long id) {
      call("filesystemStatus");
      return new FilesystemStatus(0, 4096, 4096, 1, 1, 1, 1, 1, 255, 0);
    }

    @Override
    public void flush(Caller caller, long id, long handle, long lockOwner) {
      call("flush");
    }

    @Override
    public void release(Caller caller, long id, long handle) {
      call("release", handle);
    }

    @Override
    public void sync(Caller caller, long id, long handle, boolean dataOnly) {
      call("sync");
    }

    @Override
    public void setXattr(Caller caller, long id, byte[] name, byte[] value, int flags) {
      String text = new String(name, StandardCharsets.ISO_8859_1);
      call("setXattr", id, text, Arrays.toString(value), flags);
    }

    @Override
    public byte[] getXattr(Caller caller, long id, byte[] name) {
      call("getXattr");
      return new byte[] {1, 2, 3};
    }

    @Override
    public byte[] listXattrs(Caller caller, long id) {
      call("listXattrs");
      return new byte[] {'a', 0};
    }

    @Override
    public void removeXattr(Caller caller, long id, byte[] name) {
      call("removeXattr");
    }

    @Override
    public OpenReply openDirectory(Caller caller, long id, int flags) {
      call("openDirectory");
      return new OpenReply(9, 0);
    }

    @Override
    public void list(
        Caller caller, long id, long handle, long cookie, boolean plus, DirectorySink sink)
        throws ErrnoException {
      call("list");
      int count = 0;
      while (count < failAfter
          && sink.add(
              new byte[] {'n', 'n', 'n'},
              50,
              FileStatus.TYPE_REGULAR,
              count + 1L,
              plus ? entry(50) : null)) {
        count++;
      }
      if (count >= failAfter) {
        throw new ErrnoException(Errno.EIO);
      }
    }

    @Override
    public void releaseDirectory(Caller caller, long id, long handle) {
      call("releaseDirectory");
    }

    @Override
    public void syncDirectory(Caller caller, long id, long handle, boolean dataOnly) {
      call("syncDirectory");
    }

    @Override
    public void syncAll(Caller caller, long id) {
      call("syncAll");
    }

    @Override
    public @Nullable Lock testLock(Caller caller, long id, long handle, long owner, Lock wanted) {
      call("testLock");
      return null;
    }

    /** From a thread of its own at times: not written down. */
    @Override
    public boolean tryLock(Caller caller, long id, long handle, long owner, Lock wanted) {
      return lockIsFree;
    }

    @Override
    public boolean tryFlock(Caller caller, long id, long handle, long owner, int type)
        throws ErrnoException {
      call("tryFlock", handle, type);
      if (failFlock) {
        throw new ErrnoException(Errno.EIO);
      }
      return true;
    }

    @Override
    public void access(Caller caller, long id, int mask) {
      call("access");
    }

    @Override
    public void allocate(Caller caller, long id, long handle, int mode, long offset, long length) {
      call("allocate");
    }

    @Override
    public boolean isHeldBack(long id) {
      return heldBack;
    }

    @Override
    public long seek(Caller caller, long id, long handle, long offset, int whence) {
      call("seek");
      return offset;
    }

    @Override
    public long copyRange(
        Caller caller,
        long id,
        long handle,
        long offset,
        long targetId,
        long targetHandle,
        long targetOffset,
        long length) {
      call("copyRange");
      return length;
    }

    @Override
    public void close() {}
  }
}
