package io.coffer.bench;

import java.util.Arrays;

/**
 * The samples of one metric in a few numbers.
 *
 * @param count samples, at least 1
 */
record Summary(double median, double min, double max, int count) {
  static Summary of(double... samples) {
    if (samples.length == 0) {
      throw new IllegalArgumentException("no samples");
    }
    double[] sorted = samples.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    double median =
        sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return new Summary(median, sorted[0], sorted[sorted.length - 1], sorted.length);
  }

  /** Half the distance from the least to the greatest sample, as a share of the median. */
  double spread() {
    return median == 0 ? 0 : (max - min) / 2 / median;
  }
}
