/** Where the key service keeps its bytes. An engine stores ciphertext, and is not trusted. */
@NullMarked
package io.coffer.keyserver.engine;

import org.jspecify.annotations.NullMarked;
