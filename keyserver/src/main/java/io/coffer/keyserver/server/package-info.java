/** The key server: its directory, its life (sealed and open), and its REST interface on Helidon. */
@NullMarked
package io.coffer.keyserver.server;

import org.jspecify.annotations.NullMarked;
