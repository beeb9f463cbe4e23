package io.coffer.keyserver.client;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.coffer.crypto.SecretBytes;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class KeyCacheTest {
  private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 5);
  private final KeyCache<String> cache = new KeyCache<>(2, now::get);

  private void put(String name) {
    try (SecretBytes secret = SecretBytes.copyOf(name.getBytes(UTF_8))) {
      cache.put(name, secret);
    }
  }

  private @Nullable String get(String name) {
    try (SecretBytes secret = cache.get(name)) {
      return secret == null ? null : secret.read(bytes -> new String(bytes, UTF_8));
    }
  }

  @Test
  void theKeyUsedLongestAgoMakesRoom() {
    cache.deadline(now.get() + 100);
    put("a");
    put("b");
    assertEquals("a", get("a"));
    put("c");
    assertNull(get("b"));
    assertEquals("a", get("a"));
    assertEquals("c", get("c"));
    assertEquals(2, cache.names().size());
  }

  @Test
  void everythingIsWipedAtTheDeadlineAlsoWhenTheClockOverflows() {
    cache.deadline(now.get() + 100);
    put("a");
    now.addAndGet(99);
    assertEquals("a", get("a"));
    now.addAndGet(1);
    assertNull(get("a"));
    assertEquals(List.of(), cache.names());
    put("b");
    assertNull(get("b"), "nothing is taken in after the deadline");
    cache.deadline(now.get() + 10);
    put("b");
    assertNotNull(get("b"), "a renewed token has a new deadline");
  }

  @Test
  void nothingIsKeptWithoutAToken() {
    put("a");
    assertNull(get("a"));
  }

  @Test
  void aNameCanBeForgotten() {
    cache.deadline(now.get() + 100);
    put("a");
    put("b");
    cache.removeIf("a"::equals);
    assertNull(get("a"));
    assertEquals("b", get("b"));
  }
}
