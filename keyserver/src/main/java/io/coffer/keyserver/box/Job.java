package io.coffer.keyserver.box;

import java.util.List;

/**
 * A job as its scheduler knows it, not as the job says.
 *
 * @param id by which the scheduler knows it
 * @param user whose it is, in the scheduler's words: a number
 * @param running false before its start and after its end
 * @param restarts how often it has been requeued
 * @param nodes the names of its nodes, in lower case and without a domain
 */
public record Job(String id, long user, boolean running, int restarts, List<String> nodes) {
  /** Copies the list. */
  public Job {
    nodes = List.copyOf(nodes);
  }
}
