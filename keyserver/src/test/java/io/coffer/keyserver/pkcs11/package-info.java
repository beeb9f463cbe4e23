@NullMarked
package io.coffer.keyserver.pkcs11;

import org.jspecify.annotations.NullMarked;
