/**
 * System calls through {@link java.lang.foreign}, and one typed exception for errno. Knows nothing
 * of volumes, keys or FUSE.
 */
@NullMarked
package io.coffer.posix;

import org.jspecify.annotations.NullMarked;
