/**
 * Jobs: a view of a volume that lives exactly as long as a command or a job, and the keys that are
 * handed to it without lying about.
 */
@NullMarked
package io.coffer.batch;

import org.jspecify.annotations.NullMarked;
