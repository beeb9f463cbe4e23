package io.coffer.fuse;

import java.lang.foreign.MemorySegment;

/** Where answers go: /dev/fuse, or a test. Thread-safe. */
interface ReplyChannel {
  /**
   * Sends one answer, {@code head || payload}, in one piece.
   *
   * @param payload native memory; may be the head's own when {@code payloadBytes} is 0
   */
  void send(MemorySegment head, long headBytes, MemorySegment payload, long payloadBytes);
}
