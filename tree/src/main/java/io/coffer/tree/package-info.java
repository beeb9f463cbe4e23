/**
 * Work on whole trees without a mount: checking and repairing a volume, copying a tree into one or
 * out of one.
 */
@NullMarked
package io.coffer.tree;

import org.jspecify.annotations.NullMarked;
