package io.coffer.keyserver.server;

import org.jspecify.annotations.Nullable;

/**
 * Sends a browser to another address of this server.
 *
 * @param result what the API would have answered, for the log; null if nothing
 */
record Redirect(String address, @Nullable Object result) {}
