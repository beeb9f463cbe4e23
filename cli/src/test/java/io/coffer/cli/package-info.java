/** Tests of the command line. */
@NullMarked
package io.coffer.cli;

import org.jspecify.annotations.NullMarked;
