package io.coffer.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The reference beside what a user would choose instead: the best-known encrypting filesystem, the
 * best other one in each metric, the best unencrypted one in user space, and no filesystem at all.
 *
 * @param against columns
 * @param rows one for each metric that the reference has
 */
record Ratios(Peer reference, List<String> against, List<Row> rows) {
  /** One metric; {@code cells} has one text for each column. */
  record Row(Metric metric, List<String> cells) {}

  private static final String BEST_KNOWN = "gocryptfs";

  /** Empty if there is nothing to compare. */
  static Optional<Ratios> of(Results results) {
    return results.reference().flatMap(reference -> of(results, reference));
  }

  private static Optional<Ratios> of(Results results, Peer reference) {
    Optional<Peer> known =
        results.peers().stream()
            .filter(p -> p.name().equals(BEST_KNOWN) && results.has(p))
            .filter(p -> !p.name().equals(reference.name()))
            .findFirst();
    boolean others = hasOther(results, reference, Peer.Kind.ENCRYPTING);
    boolean clear = hasOther(results, reference, Peer.Kind.CLEAR_FUSE);
    boolean plain = hasOther(results, reference, Peer.Kind.PLAIN);
    List<String> against = new ArrayList<>();
    known.ifPresent(p -> against.add(p.name()));
    if (others) {
      against.add(known.isPresent() ? "best other encrypting" : "best encrypting");
    }
    if (clear) {
      against.add("best unencrypted FUSE");
    }
    if (plain) {
      against.add("plain directory");
    }
    List<Row> rows = new ArrayList<>();
    for (Metric metric : Metric.values()) {
      if (results.summary(reference, metric).isEmpty()) {
        continue;
      }
      List<String> cells = new ArrayList<>();
      known.ifPresent(p -> cells.add(against(results, reference, p, metric, false)));
      if (others) {
        cells.add(best(results, reference, Peer.Kind.ENCRYPTING, metric));
      }
      if (clear) {
        cells.add(best(results, reference, Peer.Kind.CLEAR_FUSE, metric));
      }
      if (plain) {
        cells.add(best(results, reference, Peer.Kind.PLAIN, metric));
      }
      rows.add(new Row(metric, List.copyOf(cells)));
    }
    return against.isEmpty()
        ? Optional.empty()
        : Optional.of(new Ratios(reference, List.copyOf(against), List.copyOf(rows)));
  }

  private static boolean hasOther(Results results, Peer reference, Peer.Kind kind) {
    return results.peers().stream()
        .anyMatch(p ->
            p.kind() == kind
                && !p.name().equals(reference.name())
                && !p.name().equals(BEST_KNOWN)
                && results.has(p));
  }

  private static String best(Results results, Peer reference, Peer.Kind kind, Metric metric) {
    return results
        .best(kind, metric, List.of(reference.name(), BEST_KNOWN))
        .map(p -> against(results, reference, p, metric, kind != Peer.Kind.PLAIN))
        .orElse("-");
  }

  private static String against(
      Results results, Peer reference, Peer other, Metric metric, boolean named) {
    return results
        .timesBetter(reference, other, metric)
        .map(factor -> Figures.times(factor) + (named ? " " + other.name() : ""))
        .orElse("-");
  }
}
