package io.coffer.bench;

/** What is measured. Rates are in powers of ten (MB/s), sizes in powers of two (MiB, GiB). */
enum Metric {
  WRITE("write", "Write", "MB/s", Group.STREAMING, true),
  READ("read", "Read, cold", "MB/s", Group.STREAMING, true),
  UNTAR("untar", "Unpack", "s", Group.TREE, false),
  MD5("md5", "MD5, cold", "s", Group.TREE, false),
  LS_COLD("ls-cold", "ls -lR cold", "s", Group.TREE, false),
  LS_WARM("ls-warm", "ls -lR warm", "s", Group.TREE, false),
  RM("rm", "Remove", "s", Group.TREE, false),
  CREATE("create", "Create", "files/s", Group.SMALL, true),
  STAT_COLD("stat-cold", "Stat cold", "files/s", Group.SMALL, true),
  STAT_WARM("stat-warm", "Stat warm", "files/s", Group.SMALL, true),
  SMALL_RM("small-rm", "Remove all", "s", Group.SMALL, false),
  RANDOM_READ_1("random-read-1", "Read, 1 thread", "IOPS", Group.RANDOM, true),
  RANDOM_READ_4("random-read-4", "Read, 4 threads", "IOPS", Group.RANDOM, true),
  RANDOM_WRITE_1("random-write-1", "Write, 1 thread", "IOPS", Group.RANDOM, true),
  RANDOM_WRITE_4("random-write-4", "Write, 4 threads", "IOPS", Group.RANDOM, true),
  MOUNT("mount", "Mount", "s", Group.COST, false),
  MEMORY("memory", "Peak memory", "MiB", Group.COST, false),
  WRITE_DAEMON_CPU("write-daemon-cpu", "Daemon, write", "CPU s/GiB", Group.COST, false),
  READ_DAEMON_CPU("read-daemon-cpu", "Daemon, read", "CPU s/GiB", Group.COST, false),
  WRITE_SYSTEM_CPU("write-system-cpu", "System, write", "CPU s/GiB", Group.COST, false),
  READ_SYSTEM_CPU("read-system-cpu", "System, read", "CPU s/GiB", Group.COST, false);

  /** Metrics that belong together on a page. */
  enum Group {
    STREAMING("One large file"),
    TREE("A source tree"),
    SMALL("Files of 4 KiB"),
    RANDOM("Random 4 KiB (writes end with fsync)"),
    COST("Costs");

    private final String title;

    Group(String title) {
      this.title = title;
    }

    String title() {
      return title;
    }
  }

  private final String key;
  private final String title;
  private final String unit;
  private final Group group;
  private final boolean moreIsBetter;

  Metric(String key, String title, String unit, Group group, boolean moreIsBetter) {
    this.key = key;
    this.title = title;
    this.unit = unit;
    this.group = group;
    this.moreIsBetter = moreIsBetter;
  }

  /** The name in JSON; stays the same between versions. */
  String key() {
    return key;
  }

  String title() {
    return title;
  }

  String unit() {
    return unit;
  }

  Group group() {
    return group;
  }

  boolean moreIsBetter() {
    return moreIsBetter;
  }

  /**
   * How many times better {@code mine} is than {@code other}; above 1 is better, below is worse.
   */
  double timesBetter(double mine, double other) {
    return moreIsBetter ? mine / other : other / mine;
  }
}
