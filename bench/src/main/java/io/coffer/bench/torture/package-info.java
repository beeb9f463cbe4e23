/**
 * {@code coffer torture}: several nodes write to one volume at once, and everything that is read is
 * compared with what may stand there. Knows the filesystem under test only from outside.
 */
@NullMarked
package io.coffer.bench.torture;

import org.jspecify.annotations.NullMarked;
