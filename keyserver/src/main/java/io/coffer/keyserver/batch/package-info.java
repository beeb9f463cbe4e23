/** How many threads share one write to the disk. */
@NullMarked
package io.coffer.keyserver.batch;

import org.jspecify.annotations.NullMarked;
