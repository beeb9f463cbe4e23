@NullMarked
package io.coffer.keyserver.cli;

import org.jspecify.annotations.NullMarked;
