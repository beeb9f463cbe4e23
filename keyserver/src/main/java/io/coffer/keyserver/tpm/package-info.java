/**
 * Attestation by a TPM 2.0: what an endpoint says to its chip, and how a key server verifies it.
 */
@NullMarked
package io.coffer.keyserver.tpm;

import org.jspecify.annotations.NullMarked;
