package io.coffer.fuse;

import io.coffer.posix.CommandRing;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.MappedPages;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A request that the kernel puts into memory that was registered with it, and an answer that is put
 * there, too: FUSE over io_uring, Linux 6.14 and later. One system call gives the answer and waits
 * for the next request. Source: include/uapi/linux/fuse.h and fs/fuse/dev_uring.c of Linux.
 *
 * <pre>
 *   struct fuse_uring_req_header         payload, page-aligned
 *     0  128  fuse_in_header, in the     whatever else belongs to the request: names, data of a
 *             answer fuse_out_header     WRITE; in the answer all but its header
 *   128  128  fixed part of the body
 *   256   32  flags, id of the answer,
 *             bytes of payload
 * </pre>
 *
 * <p>For one thread.
 */
final class RingExchange extends Exchange implements AutoCloseable {
  private static final int OPERATION_AT = 128;
  private static final int COMMIT_ID_AT = 264;
  private static final int PAYLOAD_BYTES_AT = 272;
  private static final int HEADER_BYTES = 288;

  /** Where in the page of the header the two pieces of memory are described, struct iovec. */
  private static final int PIECES_AT = 512;

  private static final int REGISTER = 1;
  private static final int COMMIT_AND_FETCH = 2;

  /** How somebody takes this thread's place while it waits. */
  interface StandIn {
    void leave();

    void comeBack();
  }

  private final CommandRing ring;
  private final MappedPages pages;
  private final MemorySegment header;
  private final MemorySegment payload;
  private final StandIn standIn;
  private int payloadBytes;
  private boolean answered;

  /**
   * Reserves memory and a ring; the kernel does not know of the exchange yet.
   *
   * @param queue the processor whose requests are meant
   * @param maxPayloadBytes largest READ or WRITE, a multiple of the page size
   */
  RingExchange(int device, int queue, int maxPayloadBytes, StandIn standIn) throws ErrnoException {
    this.standIn = standIn;
    ring = new CommandRing(device);
    try {
      pages = MappedPages.anonymous(Page.BYTES + (long) maxPayloadBytes);
    } catch (ErrnoException e) {
      ring.close();
      throw e;
    }
    header = pages.segment().asSlice(0, Page.BYTES);
    payload = pages.segment().asSlice(Page.BYTES, maxPayloadBytes);
    header.set(ValueLayout.JAVA_LONG, PIECES_AT, header.address());
    header.set(ValueLayout.JAVA_LONG, PIECES_AT + 8, HEADER_BYTES);
    header.set(ValueLayout.JAVA_LONG, PIECES_AT + 16, payload.address());
    header.set(ValueLayout.JAVA_LONG, PIECES_AT + 24, payload.byteSize());
    // struct fuse_uring_cmd_req: flags, id of the answer, queue.
    MemorySegment arguments = ring.arguments();
    arguments.set(ValueLayout.JAVA_SHORT, 16, (short) queue);
  }

  /**
   * Registers with the kernel and waits for the first request.
   *
   * @return 0, or a negative errno: the exchange has ended
   */
  int register() throws ErrnoException {
    return ring.run(REGISTER, header.address() + PIECES_AT, 2);
  }

  /**
   * Gives the answer and waits for the next request.
   *
   * @return 0, or a negative errno: the exchange has ended
   */
  int commitAndFetch() throws ErrnoException {
    if (!answered) {
      // The kernel has one answer for each request, also one that could not be understood.
      Reply.putHeader(out, Reply.HEADER_BYTES, -Errno.EIO, in.u64(8));
      send(Reply.HEADER_BYTES, 0);
    }
    ring.arguments().set(ValueLayout.JAVA_LONG, 8, header.get(ValueLayout.JAVA_LONG, COMMIT_ID_AT));
    return ring.run(COMMIT_AND_FETCH, 0, 0);
  }

  /** Bytes of the request, as if it were in one piece. */
  int length() {
    return header.get(ValueLayout.JAVA_INT, 0);
  }

  /** Will so much be read or written that a processor has work with it? */
  boolean transfers(int bytes) {
    int opcode = header.get(ValueLayout.JAVA_INT, 4);
    // struct fuse_read_in and fuse_write_in: the size is at 16.
    return (opcode == Opcode.READ || opcode == Opcode.WRITE)
        && header.get(ValueLayout.JAVA_INT, OPERATION_AT + 16) >= bytes;
  }

  @Override
  void load() {
    in.copyFrom(header, Dispatcher.HEADER_BYTES);
    in.copyFrom(header, OPERATION_AT, Dispatcher.HEADER_BYTES, IN_BYTES - Dispatcher.HEADER_BYTES);
    payloadBytes = header.get(ValueLayout.JAVA_INT, PAYLOAD_BYTES_AT);
    answered = false;
  }

  @Override
  MemorySegment data() {
    return payload;
  }

  @Override
  long dataAt() {
    return 0;
  }

  @Override
  byte[] rest(int position, int length) {
    return payload
        .asSlice(0, Math.clamp(payloadBytes, 0, payload.byteSize()))
        .toArray(ValueLayout.JAVA_BYTE);
  }

  @Override
  MemorySegment payload() {
    return payload;
  }

  @Override
  void send(int headBytes, int bytes) {
    int body = headBytes - Reply.HEADER_BYTES;
    out.copyTo(header, 0, Reply.HEADER_BYTES);
    out.copyTo(Reply.HEADER_BYTES, payload, 0, body);
    header.set(ValueLayout.JAVA_INT, PAYLOAD_BYTES_AT, body + bytes);
    answered = true;
  }

  /** In this thread: the kernel knows it as the one that answers. Another one takes its place. */
  @Override
  void later(String name, long unique, Work work) {
    standIn.leave();
    try {
      send(answer(out, unique, work), 0);
    } finally {
      standIn.comeBack();
    }
  }

  @Override
  public void close() {
    ring.close();
    pages.close();
  }
}
