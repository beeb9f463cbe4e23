/** Lock boxes: services with their master keys, owners, keys, versions, and who may do what. */
@NullMarked
package io.coffer.keyserver.box;

import org.jspecify.annotations.NullMarked;
