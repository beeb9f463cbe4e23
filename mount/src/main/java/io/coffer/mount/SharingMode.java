package io.coffer.mount;

/**
 * Who may change the store while a view of it is mounted, and with that, what the kernel may
 * believe without asking. Everything that depends on this asks here.
 */
public enum SharingMode {
  /** Nobody else: whatever was seen stays true until this view changes it. */
  EXCLUSIVE,

  /**
   * Other nodes, at any moment, by the protocol for shared storage: what one node closed or synced,
   * the next open and stat on another sees. Names and attributes are asked for each time.
   */
  SHARED,

  /** As {@link #SHARED}, and reads and writes never pass the kernel's page cache. */
  SHARED_DIRECT;

  /** Do others change the store? Then changes of files are made under locks. */
  public boolean isShared() {
    return this != EXCLUSIVE;
  }

  /** May names, their absence and attributes be believed for any time at all? */
  public boolean believes() {
    return this == EXCLUSIVE;
  }

  /** May cached contents outlive the last close of a file? */
  public boolean keepsContents() {
    return this == EXCLUSIVE;
  }

  /** Must reads and writes of all files go around the page cache? */
  public boolean isDirect() {
    return this == SHARED_DIRECT;
  }
}
