package io.coffer.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class SummaryTest {
  @Test
  void theMedianOfAnOddNumberIsTheMiddleSampleWhateverTheirOrder() {
    assertEquals(new Summary(3, 1, 100, 5), Summary.of(100, 1, 3, 2, 4));
  }

  @Test
  void theMedianOfAnEvenNumberIsTheMeanOfTheTwoInTheMiddle() {
    assertEquals(new Summary(2.5, 1, 9, 4), Summary.of(9, 3, 1, 2));
  }

  @Test
  void theSpreadIsHalfTheRangeAsAShareOfTheMedian() {
    assertEquals(0.25, Summary.of(75, 100, 125).spread());
    assertEquals(0, Summary.of(7).spread());
    assertEquals(0, Summary.of(0, 0).spread());
  }

  @Test
  void nothingHasNoMedian() {
    assertThrows(IllegalArgumentException.class, Summary::of);
  }

  @Test
  void twiceTheRateAndHalfTheTimeAreBothTwiceAsGood() {
    assertEquals(2, Metric.WRITE.timesBetter(800, 400));
    assertEquals(2, Metric.UNTAR.timesBetter(4, 8));
    assertEquals(0.5, Metric.MEMORY.timesBetter(160, 80));
  }
}
