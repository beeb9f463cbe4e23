package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/**
 * Passwords of volumes from a key service, which a room behind the command line adds to it. Found
 * by {@link java.util.ServiceLoader}.
 */
public interface KeyService {
  /**
   * The password of a volume; the caller closes it.
   *
   * @param reference a file that says which key of which server, and as whom to ask
   */
  SecretBytes password(Path reference) throws VolumeException;

  /**
   * A key to be made for a new volume.
   *
   * @param url of the server
   * @param service under whose master key it is wrapped
   * @param owner whose it is, as project:hpc
   * @param certificate of a client who is admin or user of the owner; its key is FILE.key for
   *     FILE.pem
   * @param machine a reference that names this node's certificate, as for {@link #redeem}
   * @param reference where to write the reference of the key; a token for this node beside it
   * @param name for people
   */
  record NewKey(
      String url,
      String service,
      String owner,
      Path certificate,
      Path machine,
      Path reference,
      String name) {}

  /**
   * Makes a double key, of the owner's key, which is made if there is none, and one of its own, and
   * has a token issued with which this node reads it. If the node cannot, the key is deleted again.
   *
   * @return what to tell people, one line each
   */
  List<String> create(NewKey wanted) throws VolumeException;

  /**
   * Waits, until it is closed, for the right to the key to be taken away.
   *
   * @param withdrawn is told the reason
   */
  AutoCloseable watch(Path reference, Consumer<String> withdrawn) throws IOException;

  /**
   * A ticket for a job.
   *
   * @param id by which it is revoked
   * @param until for people
   * @param text one line, which a node of the job shows to {@link #redeem}
   */
  record Ticket(String id, String until, String text) {}

  /**
   * Has a ticket issued for a volume's key.
   *
   * @param reference as for {@link #password}, with a client's certificate and without a token
   * @param uid whose job it is for
   */
  Ticket ticket(Path reference, int uid, int nodes, Duration time) throws VolumeException;

  /** Makes a ticket worthless. */
  void revokeTicket(Path reference, String id) throws VolumeException;

  /** Makes credentials of MUNGE. */
  @FunctionalInterface
  interface Munge {
    /**
     * @param uid who alone can open it
     */
    String credential(String payload, int uid) throws Exception;
  }

  /** A key that a ticket gave, for as long as the job runs. */
  interface Held extends AutoCloseable {
    /** The password of the volume; the caller closes it. */
    SecretBytes password() throws VolumeException;

    @Override
    void close();
  }

  /**
   * Shows a ticket, on a node of its job; works once on each.
   *
   * @param machine a reference that names a key server and the node's certificate
   * @param withdrawn is told the reason when the key may not be used any more
   */
  Held redeem(Path machine, String ticket, String job, Munge munge, Consumer<String> withdrawn)
      throws VolumeException;
}
