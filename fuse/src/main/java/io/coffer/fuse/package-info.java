/**
 * The kernel's FUSE protocol, spoken directly on /dev/fuse: mounting, negotiation, decoding of
 * requests, replies, notifications, threads. Source of all structures and numbers:
 * include/uapi/linux/fuse.h of Linux. Knows nothing of encryption.
 */
@NullMarked
package io.coffer.fuse;

import org.jspecify.annotations.NullMarked;
