@NullMarked
package io.coffer.keyserver.seal;

import org.jspecify.annotations.NullMarked;
