package io.coffer.keyserver.server;

import org.jspecify.annotations.Nullable;

/**
 * By what a server can open itself. It stands in {@code server.json}, on the server's own disk: the
 * store, which is not trusted, has no say in which device is asked, which library loaded or which
 * command run.
 *
 * @param tpm a device, as /dev/tpmrm0, or tcp:HOST:PORT; null for none
 * @param pkcs11 null for none
 */
public record Hardware(@Nullable String tpm, @Nullable Pkcs11 pkcs11) {
  /** Nothing: operators open the server. */
  public static final Hardware NONE = new Hardware(null, null);

  /**
   * How a token is reached.
   *
   * @param library the PKCS#11 library
   * @param pinFile whose first line is the PIN; null for none
   * @param pinCommand a shell command that prints the PIN; null for none
   */
  public record Pkcs11(String library, @Nullable String pinFile, @Nullable String pinCommand) {}

  public boolean isNone() {
    return tpm == null && pkcs11 == null;
  }

  /** The same with another TPM, or none. */
  public Hardware withTpm(@Nullable String newTpm) {
    return new Hardware(newTpm, pkcs11);
  }

  /** The same with another token, or none. */
  public Hardware withPkcs11(@Nullable Pkcs11 newPkcs11) {
    return new Hardware(tpm, newPkcs11);
  }
}
