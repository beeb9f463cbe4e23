package io.coffer.cli;

import java.util.concurrent.Callable;

/**
 * A subcommand that a room behind the command line adds to it, so that the command line need not
 * know that room. Implementations are annotated with picocli's {@code @Command}, have a public
 * constructor without parameters, and are found by {@link java.util.ServiceLoader}. The value of
 * {@link #call} is the exit code.
 */
public interface ExtraCommand extends Callable<Integer> {}
