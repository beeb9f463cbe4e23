package io.coffer.keyserver.tpm;

import java.io.IOException;

/** A TPM refuses, cannot be reached, or what is said to come from one is malformed or forged. */
public final class TpmException extends IOException {
  private static final long serialVersionUID = 1L;

  private final int code;

  public TpmException(String message) {
    super(message);
    code = 0;
  }

  public TpmException(String message, Throwable cause) {
    super(message, cause);
    code = 0;
  }

  /** A command that the TPM answered with a response code (part 2, section 6.6). */
  TpmException(int command, int code) {
    super("the TPM refuses command 0x%x with 0x%x%s".formatted(command, code, explanation(code)));
    this.code = code;
  }

  private static String explanation(int code) {
    return switch (code) {
      case 0x902, 0x903 ->
          "; other programs have left no room in it: tpm2_flushcontext -t, or use /dev/tpmrm0";
      case 0x9a2, 0x98e ->
          "; it asks for a password of its owner, which has to be empty for a storage key to be"
              + " made";
      case 0x921 -> "; it is locked after failed attempts: tpm2_dictionarylockout -c";
      default -> "";
    };
  }

  /** Is it the TPM's response code, whichever parameter, handle or session it is about? */
  boolean isFormatOne(int error) {
    return (code & 0x80) != 0 && (code & 0x3f) == error;
  }
}
