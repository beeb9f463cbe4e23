/**
 * The contract of the on-disk formats: pure functions between plain and stored bytes, names and
 * offsets. No I/O. One package below this one for each format.
 */
@NullMarked
package io.coffer.format;

import org.jspecify.annotations.NullMarked;
