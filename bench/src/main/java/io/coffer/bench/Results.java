package io.coffer.bench;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Everything that a comparison found, ready to be shown. Filled by one thread. */
final class Results {
  /** Above this share of the machine, other load makes a sample doubtful. */
  static final double NOTICEABLE_LOAD = 0.1;

  private final Machine machine;
  private final Instant started;
  private final Map<String, String> settings;
  private final boolean cachesDropped;
  private final List<Peer> peers;
  private final Map<String, String> versions = new TreeMap<>();
  private final List<Sample> samples = new ArrayList<>();
  private final List<Failure> failures = new ArrayList<>();

  /**
   * @param settings what was asked for, to be shown: name and value
   * @param cachesDropped whether "cold" means that the kernel's caches were emptied
   * @param peers those asked for, in order
   */
  Results(
      Machine machine,
      Instant started,
      Map<String, String> settings,
      boolean cachesDropped,
      List<Peer> peers) {
    this.machine = machine;
    this.started = started;
    this.settings = new LinkedHashMap<>(settings);
    this.cachesDropped = cachesDropped;
    this.peers = List.copyOf(peers);
  }

  void add(Sample sample) {
    samples.add(sample);
  }

  void add(Failure failure) {
    failures.add(failure);
  }

  void setVersion(Peer peer, String version) {
    versions.put(peer.name(), version);
  }

  Machine machine() {
    return machine;
  }

  Instant started() {
    return started;
  }

  Map<String, String> settings() {
    return settings;
  }

  boolean cachesDropped() {
    return cachesDropped;
  }

  List<Peer> peers() {
    return peers;
  }

  String version(Peer peer) {
    return versions.getOrDefault(peer.name(), "");
  }

  List<Sample> samples() {
    return List.copyOf(samples);
  }

  List<Failure> failures() {
    return List.copyOf(failures);
  }

  Optional<Summary> summary(Peer peer, Metric metric) {
    double[] values =
        samples.stream()
            .filter(s -> s.peer().equals(peer.name()) && s.metric() == metric)
            .mapToDouble(Sample::value)
            .toArray();
    return values.length == 0 ? Optional.empty() : Optional.of(Summary.of(values));
  }

  boolean has(Metric metric) {
    return samples.stream().anyMatch(s -> s.metric() == metric);
  }

  boolean has(Peer peer) {
    return samples.stream().anyMatch(s -> s.peer().equals(peer.name()));
  }

  /** The system that the others are compared with: Coffer, else the first encrypting one. */
  Optional<Peer> reference() {
    Optional<Peer> coffer = firstOf(Peer.Kind.COFFER);
    return coffer.isPresent() ? coffer : firstOf(Peer.Kind.ENCRYPTING);
  }

  private Optional<Peer> firstOf(Peer.Kind kind) {
    return peers.stream().filter(p -> p.kind() == kind && has(p)).findFirst();
  }

  /** The best of a kind in one metric, the reference and those named left out. */
  Optional<Peer> best(Peer.Kind kind, Metric metric, List<String> except) {
    Comparator<Peer> byMedian =
        Comparator.comparingDouble(p -> summary(p, metric).orElseThrow().median());
    return peers.stream()
        .filter(p -> p.kind() == kind && !except.contains(p.name()))
        .filter(p -> summary(p, metric).isPresent())
        .max(metric.moreIsBetter() ? byMedian : byMedian.reversed());
  }

  /** How many times better one system is than another in the medians of a metric. */
  Optional<Double> timesBetter(Peer mine, Peer other, Metric metric) {
    var a = summary(mine, metric);
    var b = summary(other, metric);
    if (a.isEmpty() || b.isEmpty() || a.get().median() == 0 || b.get().median() == 0) {
      return Optional.empty();
    }
    return Optional.of(metric.timesBetter(a.get().median(), b.get().median()));
  }

  /** Sentences about what the reader must know to trust the figures. */
  List<String> remarks() {
    List<String> remarks = new ArrayList<>();
    if (!cachesDropped) {
      remarks.add(
          "The kernel's caches were not emptied, since that needs root: \"cold\" figures are not"
              + " cold where the filesystem was not mounted afresh.");
    }
    long disturbed = samples.stream().filter(s -> s.foreignLoad() > NOTICEABLE_LOAD).count();
    if (disturbed > 0) {
      double worst = samples.stream().mapToDouble(Sample::foreignLoad).max().orElse(0);
      remarks.add(
          String.format(
              java.util.Locale.ROOT,
              "Other programs used the machine during %d of %d measurements, up to %.0f%% of it:"
                  + " repeat on a quiet machine.",
              disturbed,
              samples.size(),
              worst * 100));
    }
    return remarks;
  }
}
