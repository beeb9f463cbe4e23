package io.coffer.fuse;

import io.coffer.posix.Words;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;

/**
 * A request as read(2) of /dev/fuse gives it, in one piece, and an answer that goes back to it by
 * write(2). Payloads are page-aligned both ways, so that they can go to and come from the store
 * without a copy.
 */
final class DeviceExchange extends Exchange {
  /** Header (40 bytes) and fuse_write_in (40 bytes) before the payload of a WRITE. */
  static final int WRITE_HEAD_BYTES = 80;

  /** Room for everything in a request that is no payload: names, attributes. */
  private static final int EXTRA_BYTES = 128 * 1024;

  final MemorySegment request;
  final MemorySegment head;
  private final MemorySegment payload;
  private final ReplyChannel channel;
  private final Consumer<Thread> starter;

  /**
   * @param maxWriteBytes a multiple of the page size
   * @param starter starts the threads of requests that wait for others
   */
  DeviceExchange(Arena arena, int maxWriteBytes, ReplyChannel channel, Consumer<Thread> starter) {
    long requestBytes = (long) maxWriteBytes + EXTRA_BYTES;
    MemorySegment all =
        arena.allocate(Page.BYTES + requestBytes + maxWriteBytes + HEAD_BYTES, Page.BYTES);
    request = all.asSlice(Page.BYTES - WRITE_HEAD_BYTES, requestBytes);
    payload = all.asSlice(Page.BYTES + requestBytes, maxWriteBytes);
    head = all.asSlice(Page.BYTES + requestBytes + maxWriteBytes, HEAD_BYTES);
    this.channel = channel;
    this.starter = starter;
  }

  @Override
  void load() {
    in.copyFrom(request, IN_BYTES);
  }

  @Override
  MemorySegment data() {
    return request;
  }

  @Override
  long dataAt() {
    return WRITE_HEAD_BYTES;
  }

  @Override
  byte[] rest(int position, int length) {
    int at = Math.min(position, length);
    byte[] rest = new byte[length - at];
    MemorySegment.copy(request, ValueLayout.JAVA_BYTE, at, rest, 0, rest.length);
    return rest;
  }

  @Override
  MemorySegment payload() {
    return payload;
  }

  @Override
  void send(int headBytes, int payloadBytes) {
    out.copyTo(head, 0, headBytes);
    channel.send(head, headBytes, payload, payloadBytes);
  }

  /** In a thread of its own: this one reads the next request. */
  @Override
  void later(String name, long unique, Work work) {
    starter.accept(
        Thread.ofPlatform()
            .daemon()
            .name(name)
            .unstarted(() -> {
              try (Arena arena = Arena.ofConfined()) {
                Words words = new Words(HEAD_BYTES);
                int length = answer(words, unique, work);
                MemorySegment answer = arena.allocate(HEAD_BYTES, 8);
                words.copyTo(answer, 0, length);
                channel.send(answer, length, answer, 0);
              }
            }));
  }
}
