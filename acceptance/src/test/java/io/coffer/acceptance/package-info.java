/**
 * The whole product on real mounts, beside real peers. Needs Linux with /dev/fuse; what it cannot
 * do on a machine (no root, a missing tool) it says in a line that begins with {@code SKIPPED}.
 */
@NullMarked
package io.coffer.acceptance;

import org.jspecify.annotations.NullMarked;
