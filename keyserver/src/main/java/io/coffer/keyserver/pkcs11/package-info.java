/** PKCS#11 tokens (HSMs, smart cards, SoftHSM), as far as sealing a key under one needs them. */
@NullMarked
package io.coffer.keyserver.pkcs11;

import org.jspecify.annotations.NullMarked;
