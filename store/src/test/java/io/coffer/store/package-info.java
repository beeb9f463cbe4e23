@NullMarked
package io.coffer.store;

import org.jspecify.annotations.NullMarked;
