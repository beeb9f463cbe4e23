@NullMarked
package io.coffer.batch;

import org.jspecify.annotations.NullMarked;
