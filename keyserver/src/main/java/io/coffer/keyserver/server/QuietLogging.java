package io.coffer.keyserver.server;

import io.helidon.logging.common.spi.LoggingProvider;

/**
 * Tells Helidon to leave the configuration of logging alone: the program's is the JDK's. Without a
 * provider it says on standard output that there is none.
 */
public final class QuietLogging implements LoggingProvider {
  @Override
  public void initialization() {
    // Nothing to configure.
  }

  @Override
  public void runTime() {
    // Nothing to configure.
  }
}
