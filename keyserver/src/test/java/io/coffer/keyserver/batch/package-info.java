@NullMarked
package io.coffer.keyserver.batch;

import org.jspecify.annotations.NullMarked;
