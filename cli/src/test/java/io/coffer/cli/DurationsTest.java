package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DurationsTest {
  @ParameterizedTest
  @CsvSource({
    "500s, PT8M20S",
    "2h45m, PT2H45M",
    "1.5h, PT1H30M",
    "250ms, PT0.25S",
    "1d, PT24H",
    "0, PT0S"
  })
  void areNumbersWithUnits(String text, Duration expected) {
    assertEquals(expected, Durations.parse(text));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "5", "5x", "h", "-5s", "5s!", "1h 5m", "."})
  void areNothingElse(String text) {
    assertThrows(IllegalArgumentException.class, () -> Durations.parse(text));
  }
}
