package io.coffer.fuse;

/** Mounting or unmounting failed; the message says why, and what to do about it. */
public final class MountException extends Exception {
  private static final long serialVersionUID = 1L;

  public MountException(String message) {
    super(message);
  }
}
