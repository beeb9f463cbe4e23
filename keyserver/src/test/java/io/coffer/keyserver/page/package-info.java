@NullMarked
package io.coffer.keyserver.page;

import org.jspecify.annotations.NullMarked;
