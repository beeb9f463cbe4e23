package io.coffer.fuse;

import java.nio.file.Path;
import java.util.List;

/**
 * A mount as the kernel is asked for it.
 *
 * @param mountPoint an existing directory, or /dev/fd/N: a descriptor of /dev/fuse that the caller
 *     has mounted already
 * @param source first column of the mount table
 * @param subtype the type is shown as {@code fuse.SUBTYPE}
 * @param readOnly MS_RDONLY
 * @param allowOther users other than the mounting one may use it
 * @param defaultPermissions the kernel checks permissions by mode, owner and ACL
 * @param setUserId set-user-id programs work; only root may ask for it
 * @param devices device nodes work; only root may ask for it
 * @param executable programs may be started
 * @param extraOptions raw options for the kernel, say {@code context=...}
 */
public record MountRequest(
    Path mountPoint,
    String source,
    String subtype,
    boolean readOnly,
    boolean allowOther,
    boolean defaultPermissions,
    boolean setUserId,
    boolean devices,
    boolean executable,
    List<String> extraOptions) {
  static final String HANDED_OVER = "/dev/fd/";

  /** The same with the kernel checking permissions. */
  public MountRequest withDefaultPermissions() {
    return new MountRequest(
        mountPoint,
        source,
        subtype,
        readOnly,
        allowOther,
        true,
        setUserId,
        devices,
        executable,
        extraOptions);
  }

  /** Has the caller mounted already and hands over the descriptor, as /dev/fd/N? */
  public boolean isHandedOver() {
    return mountPoint.toString().startsWith(HANDED_OVER);
  }
}
