/**
 * The encrypted filesystem: inode table, open files, block-aligned read-modify-write, sizes, holes,
 * locks. Knows neither the FUSE wire format nor the command line.
 */
@NullMarked
package io.coffer.vfs;

import org.jspecify.annotations.NullMarked;
