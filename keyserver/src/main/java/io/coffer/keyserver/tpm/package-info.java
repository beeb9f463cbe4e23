/**
 * TPM 2.0: what an endpoint says to its chip to prove its machine, how a key server verifies it,
 * and how a server seals its root key to its own.
 */
@NullMarked
package io.coffer.keyserver.tpm;

import org.jspecify.annotations.NullMarked;
