@NullMarked
package io.coffer.keyserver.json;

import org.jspecify.annotations.NullMarked;
