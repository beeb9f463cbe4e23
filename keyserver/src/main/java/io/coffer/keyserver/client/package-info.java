/**
 * The client of the key service on an endpoint: fetches keys with a token, unwraps them here, and
 * caches them no longer than the token lives.
 */
@NullMarked
package io.coffer.keyserver.client;

import org.jspecify.annotations.NullMarked;
