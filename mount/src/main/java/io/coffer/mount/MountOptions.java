package io.coffer.mount;

import io.coffer.fuse.MountRequest;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a view is mounted.
 *
 * @param request what the kernel is asked for
 * @param nonEmpty the mount point may have entries, which the view then hides
 * @param acl the kernel enforces the POSIX ACLs that the store keeps
 * @param entryTimeout how long the kernel may believe in a name; zero asks every time
 * @param attributeTimeout how long it may believe in a status
 * @param negativeTimeout how long it may believe that a name does not exist
 * @param sharing who else may change the store; the timeouts and keepCache must fit to it
 * @param keepCache cached contents stay good between two opens, unless size or time changed
 * @param alone nobody else changes the store, nor will as long as the view is there: the kernel
 *     keeps contents and listings between two opens, holds back writes and sends them later,
 *     believes its own sizes and times as long as it knows a file, and keeps locks itself. Where
 *     others write, too, it would write whole pages later, over what they wrote beside them
 * @param asynchronousRead the kernel may send several reads of one file at once
 * @param ioUring requests come over io_uring where kernel and administrator allow it
 * @param owner show everything as belonging to this user and group, or null
 * @param idle unmount when nothing was used for so long, or null
 * @param controlSocket where gocryptfs's control socket is opened, or null
 */
public record MountOptions(
    MountRequest request,
    boolean nonEmpty,
    boolean acl,
    Duration entryTimeout,
    Duration attributeTimeout,
    Duration negativeTimeout,
    SharingMode sharing,
    boolean keepCache,
    boolean alone,
    boolean asynchronousRead,
    boolean ioUring,
    @Nullable Owner owner,
    @Nullable Duration idle,
    @Nullable Path controlSocket) {

  /** A user and a group. */
  public record Owner(int uid, int gid) {}
}
