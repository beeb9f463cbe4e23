package io.coffer.fuse;

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

  private static final int PAGE_BYTES = 4096;
  private static final int HEAD_BYTES = 512;

  final MemorySegment request;
  final MemorySegment head;
  final MemorySegment payload;
  final Caller caller = new Caller();

  RequestBuffers(Arena arena, int maxWriteBytes) {
    long requestBytes = (long) maxWriteBytes + EXTRA_BYTES;
    MemorySegment all =
        arena.allocate(PAGE_BYTES + requestBytes + maxWriteBytes + HEAD_BYTES, PAGE_BYTES);
    request = all.asSlice(PAGE_BYTES - WRITE_HEAD_BYTES, requestBytes);
    payload = all.asSlice(PAGE_BYTES + requestBytes, maxWriteBytes);
    head = all.asSlice(PAGE_BYTES + requestBytes + maxWriteBytes, HEAD_BYTES);
  }
}
