package io.coffer.bench;

import java.io.Console;
import java.io.PrintStream;
import java.util.Locale;
import java.util.Optional;

/** Says on standard error what goes on: one line that changes on a terminal, else one per round. */
final class Progress implements Comparison.Listener {
  private final PrintStream out;
  private final boolean terminal;
  private final int rounds;
  private final int peers;
  private final long start = System.nanoTime();
  private int width;
  private int round;
  private int peersBegun;
  private String lastPeer = "";

  /**
   * @param rounds and {@code peers} say how much there is to do
   */
  Progress(PrintStream out, int rounds, int peers) {
    this.out = out;
    this.terminal = Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    this.rounds = rounds;
    this.peers = peers;
  }

  @Override
  public void step(int nowRound, Peer peer, String what) {
    if (nowRound != round || !peer.name().equals(lastPeer)) {
      if (nowRound != round && !terminal) {
        out.printf(Locale.ROOT, "round %d of %d%n", nowRound, rounds);
      }
      round = nowRound;
      lastPeer = peer.name();
      peersBegun++;
    }
    if (terminal) {
      show("round %d of %d, %s: %s%s".formatted(round, rounds, peer.name(), what, remaining()));
    }
  }

  private String remaining() {
    int done = peersBegun - 1;
    if (done < peers) {
      return ""; // after one round it is known how long they take
    }
    double seconds = (System.nanoTime() - start) / 1e9 / done * (rounds * peers - done);
    return seconds < 90
        ? String.format(Locale.ROOT, " (about %.0f s left)", seconds)
        : String.format(Locale.ROOT, " (about %.0f min left)", seconds / 60);
  }

  @Override
  public void failed(Failure failure) {
    clear();
    out.printf(
        "%s, round %d, %s: %s%n",
        failure.peer(), failure.round(), failure.phase(), failure.reason());
  }

  private void show(String line) {
    out.print("\r" + line + " ".repeat(Math.max(0, width - line.length())));
    out.flush();
    width = line.length();
  }

  /** Takes the changing line away. */
  void clear() {
    if (terminal && width > 0) {
      out.print("\r" + " ".repeat(width) + "\r");
      out.flush();
      width = 0;
    }
  }
}
