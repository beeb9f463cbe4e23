package io.coffer.keyserver.server;

import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counters in the text format of Prometheus (version 0.0.4): requests by action and outcome, and
 * how long they took. Thread-safe.
 */
final class Metrics {
  private static final double[] BOUNDS = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};

  private final Map<String, LongAdder> requests = new ConcurrentSkipListMap<>();
  private final LongAdder[] buckets = new LongAdder[BOUNDS.length + 1];
  private final LongAdder nanos = new LongAdder();

  Metrics() {
    for (int i = 0; i < buckets.length; i++) {
      buckets[i] = new LongAdder();
    }
  }

  void count(String action, String outcome, long tookNanos) {
    requests
        .computeIfAbsent(
            "{action=\"" + action + "\",outcome=\"" + outcome + "\"}", k -> new LongAdder())
        .increment();
    int bucket = 0;
    while (bucket < BOUNDS.length && tookNanos > BOUNDS[bucket] * 1e9) {
      bucket++;
    }
    buckets[bucket].increment();
    nanos.add(tookNanos);
  }

  String text(boolean sealed, long records, long commits, long auditEntries) {
    StringBuilder text = new StringBuilder(2048);
    gauge(text, "coffer_keyserver_sealed", "1 while the server is sealed", sealed ? 1 : 0);
    gauge(text, "coffer_keyserver_records", "records in the store", records);
    gauge(text, "coffer_keyserver_commits", "number of the last commit", commits);
    gauge(text, "coffer_keyserver_audit_entries", "entries of the audit log", auditEntries);
    head(text, "coffer_keyserver_requests_total", "counter", "requests by action and outcome");
    requests.forEach((labels, count) ->
        text.append("coffer_keyserver_requests_total")
            .append(labels)
            .append(' ')
            .append(count.sum())
            .append('\n'));
    String name = "coffer_keyserver_request_seconds";
    head(text, name, "histogram", "how long requests took");
    long total = 0;
    for (int i = 0; i < buckets.length; i++) {
      total += buckets[i].sum();
      text.append(name)
          .append("_bucket{le=\"")
          .append(i < BOUNDS.length ? String.valueOf(BOUNDS[i]) : "+Inf")
          .append("\"} ")
          .append(total)
          .append('\n');
    }
    text.append(name).append("_sum ").append(nanos.sum() / 1e9).append('\n');
    text.append(name).append("_count ").append(total).append('\n');
    return text.toString();
  }

  private static void gauge(StringBuilder text, String name, String help, long value) {
    head(text, name, "gauge", help);
    text.append(name).append(' ').append(value).append('\n');
  }

  private static void head(StringBuilder text, String name, String type, String help) {
    text.append("# HELP ").append(name).append(' ').append(help).append('\n');
    text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }
}
