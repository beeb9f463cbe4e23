package io.coffer.batch;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A job as the Slurm controller knows it, asked by squeue(1), not as the job says.
 *
 * @param uid whose it is
 * @param state RUNNING, PENDING and so on
 * @param restarts how often it has been requeued
 * @param nodes the names of its nodes
 */
record SlurmJob(int uid, String state, int restarts, List<String> nodes) {
  /** Of a list of nodes; a longer one is not understood, rather than cut off. */
  private static final int MOST_CHARACTERS = 65_000;

  /**
   * The fields that squeue(1) is asked for, with their widths. None of them is free text: among
   * those of scontrol(1) is the name of the job, in which a user can write what looks like any
   * other field.
   */
  private static final String FORMAT =
      "--Format=JobID:12,UserID:12,State:24,RestartCnt:12,NodeList:" + MOST_CHARACTERS;

  static SlurmJob ask(String id) throws BatchException {
    if (!id.matches("\\d{1,10}")) {
      throw new BatchException("'" + id + "' is no job of Slurm");
    }
    Munge.Result result =
        Munge.run(List.of("squeue", "--noheader", "--states=all", "--jobs=" + id, FORMAT), "");
    if (result.exit() != 0) {
      throw new BatchException("Slurm knows no job " + id);
    }
    for (String line : result.out().lines().toList()) {
      // An array has a line for each of its jobs.
      List<String> words = List.of(line.strip().split("\\s+", -1));
      if (words.getFirst().equals(id)) {
        return of(words);
      }
    }
    throw new BatchException("Slurm knows no job " + id);
  }

  private static SlurmJob of(List<String> words) throws BatchException {
    String list = words.size() > 4 ? words.get(4) : "";
    try {
      if (words.size() >= 4 && list.length() < MOST_CHARACTERS) {
        return new SlurmJob(
            Integer.parseInt(words.get(1)),
            words.get(2),
            Integer.parseInt(words.get(3)),
            nodes(list));
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new BatchException("squeue answers in a way that is not known");
  }

  /** The names in a list such as {@code n[1-3],m7}. */
  private static List<String> nodes(String list) throws BatchException {
    if (list.isEmpty() || list.equals("(null)")) {
      return List.of();
    }
    if (list.indexOf('[') < 0 && list.indexOf(',') < 0) {
      return List.of(list);
    }
    return Munge.run(List.of("scontrol", "show", "hostnames", list), "").out().lines().toList();
  }

  boolean isRunning() {
    return state.equals("RUNNING");
  }

  /**
   * Is a host, as MUNGE names it ({@code name (address)}), this node? Compares name and address
   * with what the controller has for the node.
   */
  static boolean isHost(String node, String host) throws BatchException {
    if (!node.matches("[A-Za-z0-9._-]{1,255}")) {
      return false;
    }
    String name = shortName(host.replaceFirst(" .*", ""));
    if (name.equals(shortName(node))) {
      return true; // as nearly everywhere; a job waits for the answer
    }
    Map<String, String> fields =
        fields(Munge.run(List.of("scontrol", "--oneliner", "show", "node", node), "").out());
    String address = host.replaceFirst("^[^(]*\\(?", "").replace(")", "");
    return name.equals(shortName(fields.getOrDefault("NodeHostName", node)))
        || (!address.equals("127.0.0.1") && address.equals(fields.get("NodeAddr")));
  }

  private static String shortName(String host) {
    int dot = host.indexOf('.');
    return (dot < 0 ? host : host.substring(0, dot)).toLowerCase(Locale.ROOT);
  }

  private static Map<String, String> fields(String line) {
    Map<String, String> fields = new HashMap<>();
    for (String word : line.split("\\s+", -1)) {
      int equals = word.indexOf('=');
      if (equals > 0) {
        fields.putIfAbsent(word.substring(0, equals), word.substring(equals + 1));
      }
    }
    return fields;
  }
}
