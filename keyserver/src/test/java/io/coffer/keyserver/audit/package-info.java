@NullMarked
package io.coffer.keyserver.audit;

import org.jspecify.annotations.NullMarked;
