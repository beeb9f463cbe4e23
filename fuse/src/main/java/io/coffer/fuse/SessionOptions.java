package io.coffer.fuse;

/**
 * What a filesystem wants to agree on with the kernel; what the kernel cannot do is left out.
 *
 * @param writebackCache the kernel keeps small writes and sends them later; only for a filesystem
 *     that nobody else changes
 * @param forwardLocks the filesystem is asked for locks (fcntl, flock), and told of each close of a
 *     descriptor, which ends POSIX locks; else the kernel keeps locks itself, if it is Linux 5.10
 *     or later, which is enough where nobody else opens the files
 * @param posixAcl the kernel enforces POSIX ACLs that it reads as extended attributes
 * @param autoInvalidate the kernel drops cached contents when size or time of a file changed
 * @param asynchronousRead several reads of one file at once
 * @param killPrivileges the filesystem itself removes set-id bits when somebody writes or
 *     truncates; else the kernel asks for the attribute security.capability before each single
 *     write
 * @param statusWithListings each listing brings the status of what is in the directory, in the hope
 *     that it is asked for next; else only where the kernel has seen that
 * @param mapDirectFiles files that are opened around the page cache can be mapped into memory for
 *     shared use nevertheless
 * @param ioUring requests come over io_uring where kernel and administrator allow it
 * @param threads most threads that handle requests at once, if they do not come over io_uring; for
 *     a moment one more while a {@link NearReader} and the others take over from each other
 */
public record SessionOptions(
    boolean writebackCache,
    boolean forwardLocks,
    boolean posixAcl,
    boolean autoInvalidate,
    boolean asynchronousRead,
    boolean killPrivileges,
    boolean statusWithListings,
    boolean mapDirectFiles,
    boolean ioUring,
    int threads) {}
