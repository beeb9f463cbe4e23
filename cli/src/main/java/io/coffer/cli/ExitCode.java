package io.coffer.cli;

/**
 * How a command ended. The numbers are those of gocryptfs (internal/exitcodes/exitcodes.go)
 * wherever it has one, so that scripts need not care which of the two they call.
 */
public enum ExitCode {
  OK(0, "success"),
  USAGE(1, "wrong use of the command line"),
  VOLUME_DIRECTORY(6, "the directory of the volume is missing, is none or cannot be used"),
  INIT(7, "a new volume cannot be made: the directory is not empty or holds a volume already"),
  LOAD_CONFIG(8, "there is no configuration, or it is damaged"),
  READ_PASSWORD(9, "the password could not be read, or is too long"),
  MOUNT_POINT(10, "the mount point is missing, not empty, or in the way of the volume"),
  OTHER(11, "any other error; the message says which"),
  WRONG_PASSWORD(12, "the password is wrong"),
  SCRYPT_PARAMETERS(13, "the configuration asks for password hashing that is refused"),
  MASTER_KEY(14, "what was given as master key is none"),
  INTERRUPTED(15, "ended by SIGINT, SIGTERM or SIGHUP; a mounted view was unmounted"),
  DAEMON(17, "the process behind a mounted view could not be started, or ended early"),
  FUSE(19, "the kernel or fusermount3 refused the mount"),
  CONTROL_SOCKET(20, "the control socket could not be made"),
  PASSWORD_EMPTY(22, "the password is empty"),
  OPEN_CONFIG(23, "the configuration is there and may not be read"),
  WRITE_CONFIG(24, "the configuration could not be written"),
  CHECK_FAILED(26, "coffer check found damage"),
  DEPRECATED(27, "the format of the volume is too old, too new or contradicts itself"),
  EXCLUDE(29, "a pattern of files to leave out is wrong"),
  FIDO2(31, "the volume needs a FIDO2 token, which is not supported"),
  AGENT(40, "the agent, or a ticket for it, does not give the key"),
  JOB(41, "the view of a job could not be brought up on every node"),
  PROTECTOR(42, "a protector is not there, or is there already, or is the last one of a key");

  private final int number;
  private final String meaning;

  ExitCode(int number, String meaning) {
    this.number = number;
    this.meaning = meaning;
  }

  /** What the process exits with. */
  public int number() {
    return number;
  }

  /** The meaning, as docs/exit-codes.md has it. */
  public String meaning() {
    return meaning;
  }
}
