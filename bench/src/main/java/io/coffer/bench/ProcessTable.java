package io.coffer.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A snapshot of the machine's processes and of the processor time used, from {@code /proc} (see
 * proc(5)).
 */
final class ProcessTable {
  /** Clock ticks per second in /proc: the kernel's USER_HZ, 100 for every user-space program. */
  private static final double TICKS_PER_SECOND = 100;

  private static final int KTHREADD = 2;

  /**
   * A process.
   *
   * @param ownTicks user and system time
   * @param childrenTicks that of children that ended and were waited for
   */
  private record Entry(int parent, char state, long ownTicks, long childrenTicks) {}

  private final Map<Integer, Entry> entries = new HashMap<>();
  private final double busySeconds;

  private ProcessTable(double busySeconds) {
    this.busySeconds = busySeconds;
  }

  static ProcessTable read() {
    ProcessTable table = new ProcessTable(readBusySeconds());
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      for (Path process : processes) {
        Entry entry = readEntry(process);
        if (entry != null) {
          table.entries.put(Integer.valueOf(process.getFileName().toString()), entry);
        }
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return table;
  }

  private static double readBusySeconds() {
    try (var lines = Files.lines(Path.of("/proc/stat"))) {
      String[] fields = lines.findFirst().orElseThrow().split(" +", -1);
      // cpu user nice system idle iowait irq softirq steal
      long ticks = 0;
      for (int field : new int[] {1, 2, 3, 6, 7, 8}) {
        ticks += Long.parseLong(fields[field]);
      }
      return ticks / TICKS_PER_SECOND;
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static @Nullable Entry readEntry(Path process) {
    String stat;
    try {
      stat =
          Files.readString(process.resolve("stat"), java.nio.charset.StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return null; // it has ended meanwhile
    }
    // "pid (name) state ppid ...": the name may hold anything, so count from its last bracket.
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    return new Entry(
        Integer.parseInt(fields[1]),
        fields[0].charAt(0),
        Long.parseLong(fields[11]) + Long.parseLong(fields[12]),
        Long.parseLong(fields[13]) + Long.parseLong(fields[14]));
  }

  /** Live descendants of a process, itself not included. */
  Set<Integer> descendants(int ancestor) {
    Set<Integer> found = new HashSet<>();
    boolean grown = true;
    while (grown) {
      grown = false;
      for (var process : entries.entrySet()) {
        int parent = process.getValue().parent();
        if ((parent == ancestor || found.contains(parent)) && found.add(process.getKey())) {
          grown = true;
        }
      }
    }
    found.removeIf(pid -> !isAlive(pid));
    return found;
  }

  boolean isAlive(int pid) {
    Entry entry = entries.get(pid);
    return entry != null && entry.state() != 'Z' && entry.state() != 'X';
  }

  /** Processor time of processes, without their children; of those that have ended, nothing. */
  double cpuSeconds(Set<Integer> pids) {
    long ticks = 0;
    for (int pid : pids) {
      Entry entry = entries.get(pid);
      ticks += entry == null ? 0 : entry.ownTicks();
    }
    return ticks / TICKS_PER_SECOND;
  }

  /** Processor time of a process and of all that came from it, ended or not. */
  double familyCpuSeconds(int ancestor) {
    long ticks = 0;
    Set<Integer> family = descendants(ancestor);
    family.add(ancestor);
    for (int pid : family) {
      Entry entry = entries.get(pid);
      ticks += entry == null ? 0 : entry.ownTicks() + entry.childrenTicks();
    }
    return ticks / TICKS_PER_SECOND;
  }

  /** Processor time of the kernel's own threads (write-back, loop devices, work queues). */
  double kernelThreadCpuSeconds() {
    long ticks = 0;
    for (Entry entry : entries.values()) {
      ticks += entry.parent() == KTHREADD ? entry.ownTicks() : 0;
    }
    return ticks / TICKS_PER_SECOND;
  }

  /** Time that all processors together have not been idle since the machine started. */
  double busySeconds() {
    return busySeconds;
  }
}
