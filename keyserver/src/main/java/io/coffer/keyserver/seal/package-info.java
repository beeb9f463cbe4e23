/** The root key of a key server, and how operators open it. */
@NullMarked
package io.coffer.keyserver.seal;

import org.jspecify.annotations.NullMarked;
