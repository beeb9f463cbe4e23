package io.coffer.bench;

/**
 * What a system could not do, or did wrong.
 *
 * @param round from 1
 * @param phase what was being done ("mount", "tree", ...)
 * @param reason one line
 */
record Failure(String peer, int round, String phase, String reason) {}
