/**
 * Ciphers, AEADs, key derivation, password hashing and secret memory. Knows no files and does no
 * I/O; bytes in, bytes out.
 */
@NullMarked
package io.coffer.crypto;

import org.jspecify.annotations.NullMarked;
