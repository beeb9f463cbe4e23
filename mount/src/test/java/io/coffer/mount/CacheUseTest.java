package io.coffer.mount;

import static io.coffer.fuse.Filesystem.OPEN_DIRECT_IO;
import static io.coffer.fuse.Filesystem.OPEN_PARALLEL_DIRECT_WRITES;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.coffer.posix.Flags;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("In shared mode")
class CacheUseTest {
  private static final int AROUND = OPEN_DIRECT_IO | OPEN_PARALLEL_DIRECT_WRITES;
  private static final int THROUGH = 0;
  private static final long FILE = 7;

  private final LinkedBlockingQueue<List<Long>> dropped = new LinkedBlockingQueue<>();
  private final StalePages stalePages =
      new StalePages((id, offset, length) -> dropped.add(List.of(id, offset, length)));
  private final CacheUse use = new CacheUse(stalePages);

  @BeforeEach
  void start() {
    stalePages.start();
  }

  @AfterEach
  void close() {
    stalePages.close();
  }

  @Test
  void a_file_that_is_only_written_goes_around_the_cache() {
    assertEquals(AROUND, use.opened(FILE, 1, Flags.O_WRONLY));
    assertEquals(AROUND, use.opened(FILE, 2, Flags.O_WRONLY));
  }

  @Test
  void who_reads_a_file_that_is_written_around_the_cache_does_so_too_until_the_writers_end() {
    use.opened(FILE, 1, Flags.O_WRONLY);
    assertEquals(AROUND, use.opened(FILE, 2, Flags.O_RDONLY));
    assertEquals(AROUND, use.opened(FILE, 3, Flags.O_RDWR));
    assertEquals(THROUGH, use.opened(FILE + 1, 4, Flags.O_RDONLY), "another file");
    use.released(1);
    assertEquals(THROUGH, use.opened(FILE, 5, Flags.O_RDONLY));
  }

  @Test
  void who_writes_a_file_that_is_read_through_the_cache_does_so_too_until_the_readers_end() {
    assertEquals(THROUGH, use.opened(FILE, 1, Flags.O_RDONLY));
    assertEquals(THROUGH, use.opened(FILE, 2, Flags.O_RDWR));
    assertEquals(THROUGH, use.opened(FILE, 3, Flags.O_WRONLY));
    use.released(1);
    use.released(2);
    assertEquals(THROUGH, use.opened(FILE, 4, Flags.O_WRONLY), "beside another one");
    use.released(3);
    use.released(4);
    assertEquals(AROUND, use.opened(FILE, 5, Flags.O_WRONLY));
  }

  @Test
  void appending_always_goes_around_the_cache() {
    use.opened(FILE, 1, Flags.O_RDONLY);
    assertEquals(AROUND, use.opened(FILE, 2, Flags.O_WRONLY | Flags.O_APPEND));
    assertEquals(AROUND, use.opened(FILE, 3, Flags.O_RDWR | Flags.O_APPEND));
  }

  @Test
  void pages_that_somebody_may_have_are_dropped_after_a_write_around_them() throws Exception {
    use.opened(FILE, 1, Flags.O_WRONLY);
    use.written(1, 0, 10); // nobody looks
    use.opened(FILE, 2, Flags.O_RDONLY);
    use.written(1, 8192, 100);
    assertEquals(List.of(FILE, 8192L, 100L), dropped.poll(1, TimeUnit.MINUTES));
    use.opened(FILE, 3, Flags.O_WRONLY | Flags.O_APPEND);
    use.written(3, 5, 100); // where the end was is not known
    assertEquals(List.of(FILE, 0L, Long.MAX_VALUE), dropped.poll(1, TimeUnit.MINUTES));
    use.released(2);
    use.written(1, 0, 10);
    stalePages.close();
    assertNull(dropped.poll());
  }
}
