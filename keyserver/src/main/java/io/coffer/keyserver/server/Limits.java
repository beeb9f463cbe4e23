package io.coffer.keyserver.server;

import java.time.Duration;

/**
 * What a server puts up with.
 *
 * @param bodyBytes longest body of a request
 * @param bodyTime longest time in which a body has to arrive
 * @param greeting longest time in which a new connection brings its first request
 * @param silence longest time between two requests on a connection
 * @param connections at once
 * @param requestsPerSecond answered for one identity
 * @param watch how long a watch waits for something to happen
 */
public record Limits(
    int bodyBytes,
    Duration bodyTime,
    Duration greeting,
    Duration silence,
    int connections,
    int requestsPerSecond,
    Duration watch) {
  /** For a server in use. */
  public static final Limits STANDARD =
      new Limits(
          64 << 10,
          Duration.ofSeconds(15),
          Duration.ofSeconds(15),
          Duration.ofSeconds(60),
          2000,
          2000,
          Duration.ofSeconds(25));
}
