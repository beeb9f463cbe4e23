@NullMarked
package io.coffer.keyserver.record;

import org.jspecify.annotations.NullMarked;
