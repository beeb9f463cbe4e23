package io.coffer.batch;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A job as the Slurm controller knows it, asked by scontrol(1), not as the job says.
 *
 * @param uid whose it is
 * @param state RUNNING, PENDING and so on
 * @param restarts how often it has been requeued
 * @param nodes the names of its nodes
 */
record SlurmJob(int uid, String state, int restarts, List<String> nodes) {

  static SlurmJob ask(String id) throws BatchException {
    if (!id.matches("\\d{1,10}")) {
      throw new BatchException("'" + id + "' is no job of Slurm");
    }
    Munge.Result result = Munge.run(List.of("scontrol", "--oneliner", "show", "job", id), "");
    if (result.exit() != 0) {
      throw new BatchException("Slurm knows no job " + id);
    }
    Map<String, String> fields = fields(result.out());
    try {
      String user = fields.getOrDefault("UserId", "");
      int uid = Integer.parseInt(user.substring(user.indexOf('(') + 1, user.length() - 1));
      String list = fields.getOrDefault("NodeList", "");
      List<String> nodes =
          list.isEmpty() || list.equals("(null)")
              ? List.of()
              : Munge.run(List.of("scontrol", "show", "hostnames", list), "")
                  .out()
                  .lines()
                  .toList();
      return new SlurmJob(
          uid,
          fields.getOrDefault("JobState", ""),
          Integer.parseInt(fields.getOrDefault("Restarts", "0")),
          nodes);
    } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
      throw new BatchException("scontrol answers in a way that is not known");
    }
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
    Map<String, String> fields =
        fields(Munge.run(List.of("scontrol", "--oneliner", "show", "node", node), "").out());
    String name = shortName(host.replaceFirst(" .*", ""));
    String address = host.replaceFirst("^[^(]*\\(?", "").replace(")", "");
    return name.equals(shortName(fields.getOrDefault("NodeHostName", node)))
        || name.equals(shortName(node))
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
