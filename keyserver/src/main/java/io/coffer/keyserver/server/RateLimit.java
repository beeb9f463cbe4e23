package io.coffer.keyserver.server;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * So many requests a second for each identity, with as many saved up for a burst (a token bucket).
 * Remembers a bounded number of identities, the least recently seen are forgotten. Thread-safe.
 */
final class RateLimit {
  private static final int MAX_IDENTITIES = 10_000;

  private static final class Bucket {
    double tokens;
    long nanos;
  }

  private final int perSecond;
  private final Map<String, Bucket> buckets =
      new LinkedHashMap<>(64, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Bucket> eldest) {
          return size() > MAX_IDENTITIES;
        }
      };

  RateLimit(int perSecond) {
    this.perSecond = perSecond;
  }

  synchronized boolean allows(String identity, long nanos) {
    Bucket bucket = buckets.get(identity);
    if (bucket == null) {
      bucket = new Bucket();
      bucket.tokens = perSecond;
      bucket.nanos = nanos;
      buckets.put(identity, bucket);
    }
    bucket.tokens = Math.min(perSecond, bucket.tokens + (nanos - bucket.nanos) / 1e9 * perSecond);
    bucket.nanos = nanos;
    if (bucket.tokens < 1) {
      return false;
    }
    bucket.tokens--;
    return true;
  }
}
