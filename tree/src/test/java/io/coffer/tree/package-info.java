@NullMarked
package io.coffer.tree;

import org.jspecify.annotations.NullMarked;
