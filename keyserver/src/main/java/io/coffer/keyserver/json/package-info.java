/** JSON as the key service reads and writes it: small, strict, and without Strings for secrets. */
@NullMarked
package io.coffer.keyserver.json;

import org.jspecify.annotations.NullMarked;
