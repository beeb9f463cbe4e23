@NullMarked
package io.coffer.keyserver.tpm;

import org.jspecify.annotations.NullMarked;
