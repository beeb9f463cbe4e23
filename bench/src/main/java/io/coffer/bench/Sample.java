package io.coffer.bench;

/**
 * One measured value.
 *
 * @param round from 1
 * @param foreignLoad share of all processors, 0 to 1, that programs other than this comparison used
 *     meanwhile
 * @param cpuSeconds processor time of client and daemon together; hardly depends on other load
 */
record Sample(
    String peer, Metric metric, int round, double value, double foreignLoad, double cpuSeconds) {}
