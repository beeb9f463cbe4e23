@NullMarked
package io.coffer.keyserver.client;

import org.jspecify.annotations.NullMarked;
