package io.coffer.batch;

import io.coffer.posix.Credentials;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a job carries whose key a key service holds: what the service gave, and the volume. Travels
 * as a MUNGE credential that only its user can open, and holds no key.
 *
 * @param text what the service gave: one line
 * @param volume absolute
 * @param job the job that this process is in
 * @param node the node that this is
 */
public record ServiceTicket(String text, Path volume, String job, String node) {
  private static final String MAGIC = "coffer-service-ticket-1";

  /** The form in which a job carries it. */
  public static String seal(String text, Path volume) throws BatchException {
    return Munge.seal(String.join("\n", MAGIC, text, volume.toString()));
  }

  /**
   * Looks at a ticket inside a job, which the environment tells of.
   *
   * @param payload what {@link TicketHolder#unseal} says
   * @return nothing if it is an agent's
   */
  public static Optional<ServiceTicket> open(String payload) throws BatchException {
    List<String> lines = payload.lines().toList();
    if (lines.size() != 3 || !lines.getFirst().equals(MAGIC)) {
      return Optional.empty();
    }
    String job = System.getenv("SLURM_JOB_ID");
    String node = System.getenv("SLURMD_NODENAME");
    if (job == null || node == null) {
      throw new BatchException("a ticket is good only inside a job of Slurm");
    }
    return Optional.of(new ServiceTicket(lines.get(1), Path.of(lines.get(2)), job, node));
  }

  /**
   * A fresh MUNGE credential, by which somebody else learns whose process this is.
   *
   * @param uid who alone can open it
   */
  public static String credential(String payload, int uid) throws BatchException {
    return Munge.seal(payload, uid);
  }

  /** Whose tickets this process can use. */
  public static int user() {
    return Credentials.uid();
  }
}
