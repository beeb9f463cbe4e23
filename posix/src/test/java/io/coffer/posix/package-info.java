@NullMarked
package io.coffer.posix;

import org.jspecify.annotations.NullMarked;
