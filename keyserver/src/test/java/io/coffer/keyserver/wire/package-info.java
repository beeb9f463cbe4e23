@NullMarked
package io.coffer.keyserver.wire;

import org.jspecify.annotations.NullMarked;
