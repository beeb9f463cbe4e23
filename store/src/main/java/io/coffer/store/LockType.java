package io.coffer.store;

/** What a lock on a file allows: F_RDLCK, F_WRLCK or F_UNLCK, LOCK_SH, LOCK_EX or LOCK_UN. */
public enum LockType {
  SHARED,
  EXCLUSIVE,
  UNLOCK
}
