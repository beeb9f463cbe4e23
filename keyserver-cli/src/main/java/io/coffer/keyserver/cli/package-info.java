/**
 * The commands of the key service. What the command line loads at every start is one small class
 * for each; their options and the service itself are loaded when one of them is run.
 */
@NullMarked
package io.coffer.keyserver.cli;

import org.jspecify.annotations.NullMarked;
