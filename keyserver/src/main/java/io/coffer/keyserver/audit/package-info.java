/** The log of every grant and refusal: append-only, chained by hashes, signed. */
@NullMarked
package io.coffer.keyserver.audit;

import org.jspecify.annotations.NullMarked;
