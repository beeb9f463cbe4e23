/** What travels between the key service and its endpoints; both ends use these types. */
@NullMarked
package io.coffer.keyserver.wire;

import org.jspecify.annotations.NullMarked;
