/**
 * Where ciphertext lives, behind one small interface of directory and file handles. Never sees
 * clear text or keys. Errors are errno values, carried through unchanged.
 */
@NullMarked
package io.coffer.store;

import org.jspecify.annotations.NullMarked;
