package io.coffer.fuse;

/**
 * Who asks, as the kernel says in the header of a request. One object per thread, reused: valid
 * only during the call that it is given to.
 */
public final class Caller {
  private long unique;
  private int uid;
  private int gid;
  private int pid;

  Caller() {}

  void set(long newUnique, int newUid, int newGid, int newPid) {
    unique = newUnique;
    uid = newUid;
    gid = newGid;
    pid = newPid;
  }

  /** For an answer that is given later, by another thread. */
  Caller copy() {
    Caller copy = new Caller();
    copy.set(unique, uid, gid, pid);
    return copy;
  }

  /** Number of the request. */
  public long unique() {
    return unique;
  }

  /** Filesystem user id. */
  public int uid() {
    return uid;
  }

  /** Filesystem group id. */
  public int gid() {
    return gid;
  }

  /** The thread that asks, 0 if it is outside our process namespace or the kernel itself. */
  public int pid() {
    return pid;
  }
}
