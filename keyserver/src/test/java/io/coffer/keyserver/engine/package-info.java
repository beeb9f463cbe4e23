@NullMarked
package io.coffer.keyserver.engine;

import org.jspecify.annotations.NullMarked;
