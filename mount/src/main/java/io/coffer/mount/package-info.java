/**
 * Joins the encrypted filesystem to FUSE: translation of operations, cache policy, callers, the
 * life of a mount, the control socket. No logic of formats or ciphers.
 */
@NullMarked
package io.coffer.mount;

import org.jspecify.annotations.NullMarked;
