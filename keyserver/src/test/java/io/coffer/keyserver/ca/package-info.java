@NullMarked
package io.coffer.keyserver.ca;

import org.jspecify.annotations.NullMarked;
