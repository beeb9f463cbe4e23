/** Tests of the comparison. */
@NullMarked
package io.coffer.bench;

import org.jspecify.annotations.NullMarked;
