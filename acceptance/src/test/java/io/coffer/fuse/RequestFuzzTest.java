package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.NullMarked;

/**
 * Whatever the bytes of a request: at most one answer, of the right form, and no failure that
 * nobody expected. In an ordinary build the collected inputs are tried; with JAZZER_FUZZ=1 in the
 * environment new ones are searched for.
 */
@NullMarked
class RequestFuzzTest {
  private static final int LARGEST = 70_000;
  private static final long UNIQUE = 0x0123_4567_89ab_cdefL;

  /** Answers what needs no object, refuses the rest. */
  private static final InvocationHandler ANYTHING =
      (proxy, method, arguments) -> {
        Class<?> type = method.getReturnType();
        if (type == void.class) {
          return null;
        } else if (type == boolean.class) {
          return false;
        } else if (type == int.class) {
          return 0;
        } else if (type == long.class) {
          return 0L;
        }
        throw new ErrnoException(Errno.ENOENT);
      };

  /** Turns the log line of an unexpected failure into a finding. */
  private static final class Unexpected extends Handler {
    private final StringBuilder found = new StringBuilder();

    @Override
    public void publish(LogRecord each) {
      if (each.getLevel().intValue() >= Level.SEVERE.intValue()) {
        found
            .append(each.getMessage())
            .append(' ')
            .append(java.util.Arrays.toString(each.getParameters()));
      }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  @FuzzTest(maxDuration = "60s")
  void request(byte[] bytes) {
    if (bytes.length > LARGEST) {
      return;
    }
    AtomicInteger answers = new AtomicInteger();
    Unexpected unexpected = new Unexpected();
    Logger logger = Logger.getLogger("io.coffer.fuse");
    logger.addHandler(unexpected);
    logger.setUseParentHandlers(false);
    Filesystem filesystem =
        (Filesystem)
            Proxy.newProxyInstance(
                Filesystem.class.getClassLoader(), new Class<?>[] {Filesystem.class}, ANYTHING);
    ReplyChannel channel =
        (head, headBytes, payload, payloadBytes) -> {
          answers.incrementAndGet();
          assertEquals(
              headBytes + payloadBytes, head.get(ValueLayout.JAVA_INT, 0), "length in answer");
          assertEquals(UNIQUE, head.get(ValueLayout.JAVA_LONG, 8), "unique of the answer");
          int error = head.get(ValueLayout.JAVA_INT, 4);
          assertTrue(error <= 0 && error > -512, "the kernel takes -511 to 0, not " + error);
        };
    Dispatcher dispatcher = new Dispatcher(filesystem, id -> {});
    try (Arena arena = Arena.ofShared()) {
      DeviceExchange buffers = new DeviceExchange(arena, 1 << 17, channel, Thread::start);
      int length = Math.max(bytes.length, Dispatcher.HEADER_BYTES);
      MemorySegment.copy(bytes, 0, buffers.request, ValueLayout.JAVA_BYTE, 0, bytes.length);
      // The length and the unique are the kernel's own, and right; the rest may be anything.
      buffers.request.set(ValueLayout.JAVA_INT, 0, length);
      buffers.request.set(ValueLayout.JAVA_LONG, 8, UNIQUE);
      if (bytes.length > 7) {
        buffers.request.set(ValueLayout.JAVA_INT, 4, bytes[4] & 0x3f);
      }
      dispatcher.dispatch(buffers, length);
      dispatcher.close();
    } finally {
      logger.removeHandler(unexpected);
    }
    assertTrue(answers.get() <= 1, "answers to one request: " + answers);
    assertEquals("", unexpected.found.toString(), "failures that nobody expected");
  }
}
