/** Tests of gocryptfs's command line. */
@NullMarked
package io.coffer.cli.gocryptfs;

import org.jspecify.annotations.NullMarked;
