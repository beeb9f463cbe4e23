/**
 * The command line: commands, prompts, progress, messages and exit codes. What a command does is
 * done by the other rooms.
 */
@NullMarked
package io.coffer.cli;

import org.jspecify.annotations.NullMarked;
