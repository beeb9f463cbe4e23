package io.coffer.posix;

/**
 * Takes away the umask while the calling thread makes a file, so that the mode is the one asked
 * for, and leaves no trace of it: neither other threads nor processes started later see a umask of
 * 0. For that, the thread is given attributes of its own (unshare(2) with CLONE_FS) when it makes
 * its first file. Where that is forbidden (some containers), the whole process goes on with a umask
 * of 0.
 */
final class ThreadUmask {
  private static final int CLONE_FS = 0x200;

  private static final ThreadLocal<Boolean> OWN =
      ThreadLocal.withInitial(() -> SystemCall.raw(Numbers.UNSHARE, CLONE_FS, 0, 0, 0, 0, 0) == 0);

  private ThreadUmask() {}

  /** Sets it to 0; returns what {@link #resume} must be given. */
  static int suspend() {
    boolean own = OWN.get();
    int before = (int) SystemCall.raw(Numbers.UMASK, 0, 0, 0, 0, 0, 0);
    return own ? before : 0;
  }

  static void resume(int umask) {
    if (umask != 0) {
      SystemCall.raw(Numbers.UMASK, umask, 0, 0, 0, 0, 0);
    }
  }
}
