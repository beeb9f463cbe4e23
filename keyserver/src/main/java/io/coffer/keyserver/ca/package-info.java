/**
 * The certificates of the key service: a small authority of its own, the identities it puts into
 * certificates, and the checks that both ends of a connection make.
 */
@NullMarked
package io.coffer.keyserver.ca;

import org.jspecify.annotations.NullMarked;
