package io.coffer.keyserver.server;

import io.coffer.keyserver.page.Document;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Sends a browser to another address of this server, or shows it a page.
 *
 * @param page shown instead of the address; null for none
 * @param result what the API would have answered, for the log; null if nothing
 * @param names those in the address of the API
 * @param named the one of them that was filled in, which is not in the page's address; or empty
 */
record Redirect(
    String address,
    @Nullable Document page,
    @Nullable Object result,
    List<String> names,
    String named) {}
