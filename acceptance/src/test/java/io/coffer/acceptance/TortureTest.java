package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * {@code coffer torture} with a fixed seed: nodes of their own at one volume, one of them killed.
 * Property {@code coffer.test.long=true} lets it run for ten minutes.
 */
@DisplayName("Many nodes at one volume")
class TortureTest {
  private final Area area = Area.onDisk();

  @BeforeEach
  void needsNamespaces() {
    Tools.needRoot();
    Tools.need("unshare", "nsenter");
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private Outcome torture(Object... options) {
    return Command.coffer("torture", "--seed=20")
        .and(options)
        .and(area.directory("store"))
        .timeout(Duration.ofMinutes(15))
        .run();
  }

  @Test
  void lose_nothing_although_one_is_killed() {
    String time = Reactor.longRun() ? "10m" : "12s";
    Outcome outcome = torture("--nodes=3", "--writers=2", "--time", time, "--kill-every=6s");
    outcome.ok().outHas("Nothing was lost.");
    String out = outcome.out();
    assertTrue(out.matches("(?s).*\\s[1-9]\\d*  nodes killed\\n.*"), out);
    // Every kind of operation was there.
    for (String kind :
        new String[] {"write", "read", "truncate", "append", "count", "make alone", "rename"}) {
      assertTrue(out.matches("(?s).*\\s[1-9]\\d*  " + kind + "\\n.*"), kind + " in " + out);
    }
  }

  @Test
  void lose_nothing_in_a_format_that_keeps_the_size_of_a_file_apart_from_its_blocks() {
    String time = Reactor.longRun() ? "10m" : "8s";
    Outcome outcome =
        torture("--format=fscrypt", "--nodes=2", "--writers=2", "--time", time, "--kill-every=4s");
    outcome.ok().outHas("Nothing was lost.").outHas("nodes killed");
  }

  @Test
  void lose_something_if_they_do_not_know_of_each_other() {
    Outcome outcome =
        torture("--nodes=2", "--writers=2", "--time=4s", "--kill-every=0", "--unshared");
    outcome.expectExit(26).outHas("Something was lost.");
  }
}
