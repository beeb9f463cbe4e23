@NullMarked
package io.coffer.keyserver.server;

import org.jspecify.annotations.NullMarked;
