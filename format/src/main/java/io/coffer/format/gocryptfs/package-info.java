/**
 * The format of gocryptfs volumes, forward and reverse. Section numbers and file names in comments
 * are those of gocryptfs's public repository (version 2.6.1), which is where the format is defined.
 */
@NullMarked
package io.coffer.format.gocryptfs;

import org.jspecify.annotations.NullMarked;
