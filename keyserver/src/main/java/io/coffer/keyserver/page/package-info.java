/**
 * The key service's page for people with a browser: server-rendered HTML that needs no script. It
 * asks what the API asks, in the name of the same certificate, and so shows nothing that the API
 * would not. What is shown is built of {@link io.coffer.keyserver.page.Html} alone, which escapes.
 */
@NullMarked
package io.coffer.keyserver.page;

import org.jspecify.annotations.NullMarked;
