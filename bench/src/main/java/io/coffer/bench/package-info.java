/**
 * Measures Coffer beside other encrypting filesystems, an unencrypted FUSE filesystem and the plain
 * directory, all on the same machine in the same run ({@code coffer bench}). Needed by nothing.
 */
@NullMarked
package io.coffer.bench;

import org.jspecify.annotations.NullMarked;
