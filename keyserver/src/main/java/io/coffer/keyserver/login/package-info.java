/** Ways for people and jobs without a certificate to prove who they are to a key server. */
@NullMarked
package io.coffer.keyserver.login;

import org.jspecify.annotations.NullMarked;
