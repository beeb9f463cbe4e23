package io.coffer.fuse;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Words;
import java.lang.foreign.MemorySegment;

/**
 * One request and its answer, in native memory of one thread that is used again for the next. How
 * both travel is up to the kind of exchange; what they say is not.
 */
abstract class Exchange {
  /** Header (40 bytes) and fuse_setattr_in (88 bytes), the longest body of fixed size. */
  static final int IN_BYTES = 128;

  static final int HEAD_BYTES = 512;

  /** The beginning of the request: its header and the fixed part of its body. */
  final Words in = new Words(IN_BYTES);

  /** The beginning of the answer: its header and a body of fixed size. */
  final Words out = new Words(HEAD_BYTES);

  final Caller caller = new Caller();

  /** Handles what takes as long as it takes, and leaves the answer's body behind the header. */
  interface Work {
    /**
     * @return bytes of the body, a multiple of 8
     */
    int run(Words out) throws ErrnoException;
  }

  /** Makes the request's fields readable in {@link #in}; what lies behind its end is old. */
  abstract void load();

  /** Where the data of a WRITE lie. */
  abstract MemorySegment data();

  /**
   * Where they begin in {@link #data}; page-aligned, so that the store can take them as they are.
   */
  abstract long dataAt();

  /** What follows the fixed part of {@code position} bytes in a request of {@code length} bytes. */
  abstract byte[] rest(int position, int length);

  /** Where data of an answer can be put; page-aligned. Overwrites the request's data at most. */
  abstract MemorySegment payload();

  /** The answer: {@code head} bytes of {@link #out}, a multiple of 8, or a header and payload. */
  abstract void send(int head, int payload);

  /**
   * Answers when the work is done, while others go on handling requests. The request's fields must
   * not be used by it.
   */
  abstract void later(String name, long unique, Work work);

  /** Runs the work. Returns the length of the answer, whose header it fills. */
  static int answer(Words out, long unique, Work work) {
    int body = 0;
    int error = 0;
    try {
      body = work.run(out);
    } catch (ErrnoException e) {
      error = -e.errno();
    } catch (RuntimeException | Error e) {
      error = Dispatcher.unexpected(e, "a request that takes long");
    }
    int length = Reply.HEADER_BYTES + body;
    Reply.putHeader(out, length, error, unique);
    return length;
  }
}
