package io.coffer.cli.gocryptfs;

import io.coffer.cli.Version;

/** What {@code gocryptfs -h} and {@code -version} print. */
final class HelpText {
  static final String SHORT =
      """

      Usage: gocryptfs -init|-passwd|-info [OPTIONS] CIPHERDIR
        or   gocryptfs [OPTIONS] CIPHERDIR MOUNTPOINT

      Common Options (use -hh to show all):
        -aessiv            Encrypt contents with AES-SIV (with -init)
        -allow_other       Let other users use the mount
        -i, -idle          Unmount after this time without use
        -config            Where the config file is, if not in CIPHERDIR
        -ctlsock           Make a control socket there
        -extpass           Run a program that prints the password
        -fg                Stay in the foreground
        -fsck              Read everything and tell what is damaged
        -fusedebug         Accepted and ignored
        -h, -help          This short help text
        -hh                Long help text with all options
        -init              Make an encrypted directory
        -info              Show what an encrypted directory is
        -masterkey         Use the master key instead of the password
        -nonempty          Mount over a directory that is not empty
        -nosyslog          Do not send log lines to syslog
        -passfile          Read the password from a file
        -passwd            Change the password
        -plaintextnames    Do not encrypt file names (with -init)
        -q, -quiet         Print no informational messages
        -reverse           Show a plain directory encrypted
        -ro                Mount read-only
        -speed             Measure the speed of the ciphers
        -version           Print version information
        --                 Stop option parsing
      """;

  private HelpText() {}

  /** One line; the part up to the first semicolon is what scripts look at. */
  static String version() {
    return "gocryptfs "
        + Version.GOCRYPTFS
        + "; Coffer "
        + Version.NUMBER
        + "; "
        + Version.platform();
  }

  /** All options, one a line. */
  static String all() {
    StringBuilder text = new StringBuilder();
    text.append("\nNotes: All options can equivalently use \"-\" (single dash) or \"--\"")
        .append(" (double dash).\n       A standalone \"--\" stops option parsing.\n\nOptions:\n");
    Arguments.known().entrySet().stream()
        .sorted(java.util.Map.Entry.comparingByKey())
        .forEach(entry ->
            text.append("      --")
                .append(entry.getKey())
                .append(
                    switch (entry.getValue()) {
                      case BOOLEAN -> "";
                      case TEXT -> " string";
                      case TEXTS -> " string (repeatable)";
                      case INTEGER -> " int";
                      case BYTE -> " uint8";
                      case DURATION -> " duration";
                    })
                .append('\n'));
    return text.toString();
  }
}
