package io.coffer.fuse;

import io.coffer.posix.Words;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Native memory of one thread, reused for every request: the request as the kernel wrote it, the
 * head of the answer, and the answer's payload. Payloads are page-aligned both ways, so that they
 * can go to and come from the store without a copy.
 */
final class RequestBuffers {
  /** Header (40 bytes) and fuse_write_in (40 bytes) before the payload of a WRITE. */
  static final int WRITE_HEAD_BYTES = 80;

  /** Room for everything in a request that is no payload: names, attributes. */
  private static final int EXTRA_BYTES = 128 * 1024;

  private static final int HEAD_BYTES = 512;

  /** Header (40 bytes) and fuse_setattr_in (88 bytes), the longest body of fixed size. */
  private static final int IN_BYTES = 128;

  final MemorySegment request;
  final MemorySegment head;
  final MemorySegment payload;

  /** The beginning of the request: its header and the fixed part of its body. */
  final Words in = new Words(IN_BYTES);

  /** The beginning of the answer, to be copied to {@link #head}. */
  final Words out = new Words(HEAD_BYTES);

  final Caller caller = new Caller();

  /** {@code maxWriteBytes} is a multiple of the page size. */
  RequestBuffers(Arena arena, int maxWriteBytes) {
    long requestBytes = (long) maxWriteBytes + EXTRA_BYTES;
    MemorySegment all =
        arena.allocate(Page.BYTES + requestBytes + maxWriteBytes + HEAD_BYTES, Page.BYTES);
    request = all.asSlice(Page.BYTES - WRITE_HEAD_BYTES, requestBytes);
    payload = all.asSlice(Page.BYTES + requestBytes, maxWriteBytes);
    head = all.asSlice(Page.BYTES + requestBytes + maxWriteBytes, HEAD_BYTES);
  }

  /** Makes the request's fields readable in {@link #in}; what lies behind its end is old. */
  void load() {
    in.copyFrom(request, IN_BYTES);
  }
}
