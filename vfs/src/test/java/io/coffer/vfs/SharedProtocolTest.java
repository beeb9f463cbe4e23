package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.vfs.Interleavings.Operation;
import io.coffer.vfs.Interleavings.Result;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/**
 * Explores all orders in which the steps of two or three nodes can mix, and compares how they end
 * with the ends of one operation after the other.
 */
@DisplayName("The protocol for shared storage")
class SharedProtocolTest {
  private static final int BLOCK = 4096;
  private static final int MOST_RUNS = 20_000;

  private static GocryptfsFormat format;

  @BeforeAll
  static void open() {
    format = TestVolume.format(TestVolume.OPTIONS);
  }

  @AfterAll
  static void close() {
    format.close();
  }

  /** One operation, as a node does it and as it changes an array of bytes. */
  private record Step(String name, Operation real, Model model) {}

  /** What an operation makes of contents, and what it sees. */
  private interface Model {
    byte[] apply(byte[] before, List<String> seen);
  }

  private static byte[] bytes(char letter, int count) {
    byte[] result = new byte[count];
    Arrays.fill(result, (byte) letter);
    return result;
  }

  private static Step write(char letter, int offset, int count) {
    return new Step(
        "write",
        node -> {
          node.put(offset, bytes(letter, count));
          return null;
        },
        (before, seen) -> {
          seen.add("done");
          return overwrite(before, offset, letter, count);
        });
  }

  private static byte[] overwrite(byte[] before, int offset, char letter, int count) {
    byte[] after = Arrays.copyOf(before, Math.max(before.length, offset + count));
    Arrays.fill(after, offset, offset + count, (byte) letter);
    return after;
  }

  private static Step append(char letter, int count) {
    return new Step(
        "append",
        node -> {
          node.put(Contents.AT_END, bytes(letter, count));
          return null;
        },
        (before, seen) -> {
          seen.add("done");
          return overwrite(before, before.length, letter, count);
        });
  }

  private static Step truncate(int size) {
    return new Step(
        "truncate",
        node -> {
          node.cut(size);
          return null;
        },
        (before, seen) -> {
          seen.add("done");
          return Arrays.copyOf(before, size);
        });
  }

  private static Step read(int offset, int count) {
    return new Step(
        "read",
        node -> node.look(offset, count),
        (before, seen) -> {
          int from = Math.min(offset, before.length);
          int to = Math.min(offset + count, before.length);
          seen.add("saw " + Interleavings.describe(Arrays.copyOfRange(before, from, to)));
          return before;
        });
  }

  /** How it can end if one operation follows the other. */
  private static Set<String> oneAfterTheOther(byte[] initial, List<Step> steps) {
    var outcomes = new TreeSet<String>();
    permute(steps, new ArrayList<>(), initial, new String[steps.size()], outcomes);
    return outcomes;
  }

  private static void permute(
      List<Step> steps, List<Integer> order, byte[] content, String[] seen, Set<String> ends) {
    if (order.size() == steps.size()) {
      ends.add(Interleavings.describe(content) + " | " + String.join(" | ", seen));
      return;
    }
    for (int i = 0; i < steps.size(); i++) {
      if (!order.contains(i)) {
        var said = new ArrayList<String>();
        byte[] after = steps.get(i).model().apply(content, said);
        String[] nowSeen = seen.clone();
        nowSeen[i] = said.getFirst();
        var nowOrder = new ArrayList<>(order);
        nowOrder.add(i);
        permute(steps, nowOrder, after, nowSeen, ends);
      }
    }
  }

  private static Result explore(
      boolean locks, boolean torn, byte[] initial, List<Step> steps, Predicate<String> enough)
      throws Exception {
    return new Interleavings(format, locks, torn)
        .explore(initial, steps.stream().map(Step::real).toList(), -1, 0, MOST_RUNS, enough);
  }

  /** With locks every order ends as some sequence does, and all orders were seen. */
  private static void assertSafe(boolean torn, byte[] initial, Step... steps) throws Exception {
    List<Step> all = List.of(steps);
    Result result = explore(true, torn, initial, all, outcome -> false);
    Set<String> allowed = oneAfterTheOther(initial, all);
    assertTrue(result.runs() < MOST_RUNS, "not all orders were explored");
    var wrong = new TreeSet<>(result.outcomes());
    wrong.removeAll(allowed);
    assertEquals(new TreeSet<String>(), wrong, () -> "allowed: " + allowed);
    assertTrue(result.runs() > 1);
  }

  /** Without locks some order ends as no sequence does: the exploration finds what it is for. */
  private static void assertUnsafeWithoutLocks(byte[] initial, Step... steps) throws Exception {
    List<Step> all = List.of(steps);
    Set<String> allowed = oneAfterTheOther(initial, all);
    Result result = explore(false, false, initial, all, each -> !allowed.contains(each));
    assertFalse(
        allowed.containsAll(result.outcomes()), "no order went wrong, although nothing was locked");
  }

  private static void assertNeedsLocks(byte[] initial, Step... steps) throws Exception {
    assertSafe(false, initial, steps);
    assertUnsafeWithoutLocks(initial, steps);
  }

  @Nested
  @DisplayName("loses no update")
  class LosesNothing {
    @Test
    void ofTwoWritersInOneBlock() throws Exception {
      assertNeedsLocks(bytes('.', BLOCK), write('a', 10, 100), write('b', 2000, 300));
    }

    @Test
    void ofTwoWritersThatBothFindTheFileEmpty() throws Exception {
      assertNeedsLocks(new byte[0], write('a', 0, 100), write('b', 100, 100));
    }

    @Test
    void ofTwoWritersInDifferentBlocksOfAnEmptyFile() throws Exception {
      assertNeedsLocks(new byte[0], write('a', 0, BLOCK), write('b', 2 * BLOCK, 10));
    }

    @Test
    void ofThreeWritersWhoseRangesMeetInTheMiddleOfBlocks() throws Exception {
      assertSafe(
          false,
          bytes('.', 3 * BLOCK),
          write('a', 100, BLOCK),
          write('b', 100 + BLOCK, BLOCK),
          write('c', BLOCK + 50, 10));
      assertUnsafeWithoutLocks(
          bytes('.', 3 * BLOCK), write('a', 100, BLOCK), write('b', 100 + BLOCK, BLOCK));
    }

    @Test
    void ofAWriterBehindTheEndAndOneInTheLastBlock() throws Exception {
      assertNeedsLocks(bytes('.', 100), write('a', 2 * BLOCK + 5, 10), write('b', 50, 100));
    }

    @Test
    void ofTwoThatAppend() throws Exception {
      assertNeedsLocks(bytes('.', BLOCK - 7), append('a', 20), append('b', 30));
    }

    @Test
    void ofThreeThatAppendToAnEmptyFile() throws Exception {
      assertSafe(false, new byte[0], append('a', 20), append('b', 30), append('c', BLOCK));
    }
  }

  @Nested
  @DisplayName("lets a truncation and a write end as one of the two orders:")
  class TruncationAndWrite {
    @Test
    void intoTheBlockThatIsWritten() throws Exception {
      assertNeedsLocks(bytes('.', 2 * BLOCK), truncate(1000), write('b', 500, 1000));
    }

    @Test
    void toNothing() throws Exception {
      assertNeedsLocks(bytes('.', 2 * BLOCK), truncate(0), write('b', BLOCK + 5, 10));
    }

    @Test
    void toALargerSize() throws Exception {
      assertNeedsLocks(bytes('.', 100), truncate(2 * BLOCK + 9), write('b', 50, 100));
    }

    @Test
    void toNothingWhileTwoWrite() throws Exception {
      assertSafe(
          false, bytes('.', BLOCK), truncate(0), write('a', 5, 10), write('b', BLOCK - 3, 10));
    }
  }

  @Nested
  @DisplayName("shows a reader only what one of the orders has")
  class Readers {
    @Test
    void besideAWriter() throws Exception {
      assertSafe(true, bytes('.', BLOCK), write('a', 10, 100), read(0, BLOCK));
    }

    @Test
    void besideATruncationIntoTheBlock() throws Exception {
      assertSafe(true, bytes('.', BLOCK), truncate(1000), read(0, 900));
    }

    @Test
    void besideOneThatMakesTheFileNew() throws Exception {
      // The reader may have the old header in mind when the new one comes.
      Operation anew =
          node -> {
            node.cut(0);
            node.put(0, bytes('n', 200));
            return null;
          };
      Operation twice =
          node -> {
            node.look(0, BLOCK);
            return node.look(0, BLOCK);
          };
      Result result =
          new Interleavings(format, true, true)
              .explore(bytes('.', 300), List.of(anew, twice), -1, 0, MOST_RUNS, each -> false);
      assertTrue(result.runs() < MOST_RUNS);
      assertEquals(
          new TreeSet<>(
              List.of(
                  "n*200 | done | saw .*300",
                  "n*200 | done | saw empty",
                  "n*200 | done | saw n*200")),
          result.outcomes());
    }
  }

  @Nested
  @DisplayName("survives the death of a node at any step of")
  class Death {
    private void assertSurvives(byte[] initial, Step dying, Step other) throws Exception {
      var allowed = new TreeSet<String>();
      for (String each : oneAfterTheOther(initial, List.of(dying, other))) {
        allowed.add(each.substring(0, each.indexOf(" | ")));
      }
      for (String each : oneAfterTheOther(initial, List.of(other))) {
        allowed.add(each.substring(0, each.indexOf(" | ")));
      }
      for (int at = 0; at < 10; at++) {
        Result result =
            new Interleavings(format, true, false)
                .explore(
                    initial, List.of(dying.real(), other.real()), 0, at, MOST_RUNS, each -> false);
        assertTrue(result.runs() < MOST_RUNS);
        for (String each : result.outcomes()) {
          assertTrue(allowed.contains(each.substring(0, each.indexOf(" | "))), at + ": " + each);
        }
      }
    }

    @Test
    void aWrite() throws Exception {
      assertSurvives(bytes('.', BLOCK), write('a', 10, 100), write('b', 2000, 300));
    }

    @Test
    void theFirstWriteOfAFile() throws Exception {
      assertSurvives(new byte[0], write('a', 0, 100), write('b', 2000, 300));
    }

    @Test
    void aTruncation() throws Exception {
      assertSurvives(bytes('.', 2 * BLOCK), truncate(1000), write('b', 500, 100));
    }

    @Test
    void aTruncationToNothing() throws Exception {
      assertSurvives(bytes('.', 2 * BLOCK), truncate(0), write('b', 500, 100));
    }
  }
}
