/** The key service put together from its parts. */
@NullMarked
package io.coffer.keyserver;

import org.jspecify.annotations.NullMarked;
