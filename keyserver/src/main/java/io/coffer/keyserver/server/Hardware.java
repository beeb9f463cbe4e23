package io.coffer.keyserver.server;

import org.jspecify.annotations.Nullable;

/**
 * By what a server can open itself. It stands in {@code server.json}, on the server's own disk: the
 * store, which is not trusted, has no say in which device or library is used.
 *
 * @param tpm a device, as /dev/tpmrm0, or tcp:HOST:PORT; null for none
 */
public record Hardware(@Nullable String tpm) {
  /** Nothing: operators open the server. */
  public static final Hardware NONE = new Hardware(null);

  public boolean isNone() {
    return tpm == null;
  }

  /** The same with another TPM, or none. */
  public Hardware withTpm(@Nullable String newTpm) {
    return new Hardware(newTpm);
  }
}
