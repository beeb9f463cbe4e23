package io.coffer.store;

/**
 * A lock that somebody holds on a byte range.
 *
 * @param start first byte
 * @param length bytes, 0 for "to the end and beyond"
 * @param pid its holder, or -1 if it is an open file description or on another node
 */
public record FileLock(LockType type, long start, long length, int pid) {}
