package io.coffer.fuse;

import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs to decode a request, call a filesystem that answers at once, and encode the answer;
 * without the kernel. In the room's own package, since the dispatcher is no one else's.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class DispatcherBenchmark {
  private static final int PAYLOAD_BYTES = 1 << 20;
  private static final int NAME_BYTES = 12;

  /** Answers everything from memory. */
  private static final class Immediate implements Filesystem {
    private final FileStatus status =
        new FileStatus(
            1,
            2,
            0100644,
            1,
            0,
            0,
            0,
            4096,
            8,
            4096,
            new Timestamp(1, 0),
            new Timestamp(2, 0),
            new Timestamp(3, 0),
            null);

    @Override
    public EntryReply lookup(Caller caller, long parent, byte[] name) {
      return new EntryReply(2, 0, status, 1_000_000_000L, 1_000_000_000L);
    }

    @Override
    public StatusReply status(Caller caller, long id, long handle) {
      return new StatusReply(status, 1_000_000_000L);
    }

    @Override
    public int read(
        Caller caller, long id, long handle, long offset, MemorySegment to, long at, int length) {
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
      return length;
    }

    @Override
    public void close() {}
  }

  private long answered;
  private final DeviceExchange buffers =
      new DeviceExchange(
          Arena.ofAuto(),
          PAYLOAD_BYTES,
          (head, headBytes, payload, payloadBytes) -> answered += headBytes,
          Thread::start);
  private final Dispatcher dispatcher = new Dispatcher(new Immediate(), id -> {});

  private long request(int opcode, int bodyBytes, int payloadBytes) {
    MemorySegment in = buffers.request;
    int length = Dispatcher.HEADER_BYTES + bodyBytes + payloadBytes;
    in.set(ValueLayout.JAVA_INT, 0, length);
    in.set(ValueLayout.JAVA_INT, 4, opcode);
    in.set(ValueLayout.JAVA_LONG, 8, 7);
    in.set(ValueLayout.JAVA_LONG, 16, 1);
    // struct fuse_read_in and fuse_write_in: handle, offset, size.
    if (opcode == Opcode.READ || opcode == Opcode.WRITE) {
      in.set(ValueLayout.JAVA_LONG, 40, 3);
      in.set(ValueLayout.JAVA_LONG, 48, 0);
      in.set(ValueLayout.JAVA_INT, 56, 4096);
      in.set(ValueLayout.JAVA_INT, 60, 0);
    } else if (opcode == Opcode.LOOKUP) {
      in.asSlice(40, NAME_BYTES).fill((byte) 'n');
      in.set(ValueLayout.JAVA_BYTE, 40 + NAME_BYTES, (byte) 0);
    } else {
      in.asSlice(40, bodyBytes).fill((byte) 0);
    }
    dispatcher.dispatch(buffers, length);
    return answered;
  }

  /** A lookup of a name of 12 bytes. */
  @Benchmark
  public long lookup() {
    return request(Opcode.LOOKUP, NAME_BYTES + 1, 0);
  }

  /** A status. */
  @Benchmark
  public long getattr() {
    return request(Opcode.GETATTR, 16, 0);
  }

  /** A read of 4 KiB. */
  @Benchmark
  public long read() {
    return request(Opcode.READ, 40, 0);
  }

  /** A write of 4 KiB. */
  @Benchmark
  public long write() {
    return request(Opcode.WRITE, 40, 4096);
  }
}
