/**
 * Where passwords and keys come from, and the opening, making and re-keying of volumes. Does no
 * file I/O other than that of its own metadata.
 */
@NullMarked
package io.coffer.keys;

import org.jspecify.annotations.NullMarked;
