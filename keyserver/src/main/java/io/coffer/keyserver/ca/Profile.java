package io.coffer.keyserver.ca;

import java.util.Locale;

/** What the holder of a certificate is, and therefore what it may ask of the key service. */
public enum Profile {
  /** A key server itself. */
  SERVER,
  /** Administers services, owners and endpoints; reads no key unless a lock box says so. */
  OPERATOR,
  /** Reads the audit log, and no key. */
  AUDITOR,
  /** A node that unwraps key-strings: it may be given the master key of a service. */
  ENDPOINT,
  /** A user, a project's robot or any other program that owns keys. */
  CLIENT;

  /** The name in certificates, on the command line and in the API: lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws IllegalArgumentException that names the profiles there are
   */
  public static Profile ofLabel(String label) {
    for (Profile profile : values()) {
      if (profile.label().equals(label)) {
        return profile;
      }
    }
    throw new IllegalArgumentException(
        "'" + label + "' is no profile; use server, operator, auditor, endpoint or client");
  }
}
