/** Sealed records over an engine that is not trusted. */
@NullMarked
package io.coffer.keyserver.record;

import org.jspecify.annotations.NullMarked;
