package io.coffer.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.xml.sax.InputSource;

/**
 * Reports of made-up results, beside what they looked like when a person last read them. With
 * {@code -Dgolden.update=true} the expected files are written anew, to be read and committed.
 */
class ReportTest {
  @Test
  void theTerminalShowsTablesRatiosFailuresAndRemarks() throws IOException {
    assertLooksLike("report.txt", TextReport.render(results()));
  }

  @Test
  void jsonHoldsEverySampleAndTheSummaries() throws IOException {
    assertLooksLike("report.json", JsonReport.render(results()));
  }

  @Test
  void htmlShowsChartsAndTheSameFiguresAsTables() throws IOException {
    assertLooksLike("report.html", HtmlReport.render(results()));
  }

  @Test
  void htmlIsWellFormedSelfContainedAndEscapesWhatItShows() throws Exception {
    String html = HtmlReport.render(results());
    String body =
        html.substring(html.indexOf("<body>"), html.indexOf("</html>")).replace("<br>", "<br/>");
    DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(body)));
    assertFalse(html.contains("http"), "refers to something outside");
    assertFalse(html.contains("<gone>"), "a reason is not escaped");
  }

  @Test
  void withoutCofferTheFirstEncryptingSystemIsTheReference() {
    Results results =
        new Results(
            machine(), Instant.EPOCH, Map.of(), true, List.of(peer("a", Peer.Kind.ENCRYPTING)));
    results.add(new Sample("a", Metric.WRITE, 1, 10, 0, 0));
    assertEquals("a", results.reference().orElseThrow().name());
  }

  @Test
  void nothingMeasuredIsStillAReport() {
    Results results = new Results(machine(), Instant.EPOCH, Map.of(), true, List.of());
    assertFalse(TextReport.render(results).contains("times better"));
    assertFalse(HtmlReport.render(results).contains("<svg"));
  }

  private static Results results() {
    Results results =
        new Results(
            machine(),
            Instant.parse("2026-01-02T03:04:05Z"),
            Map.of("rounds", "3"),
            false,
            List.of(
                peer("plain", Peer.Kind.PLAIN),
                peer("coffer", Peer.Kind.COFFER),
                peer("gocryptfs", Peer.Kind.ENCRYPTING),
                peer("securefs", Peer.Kind.ENCRYPTING),
                peer("passthrough_ll", Peer.Kind.CLEAR_FUSE)));
    double[][] factors = {{2, 0.5}, {1, 1}, {0.5, 2}, {0.75, 1.4}};
    String[] names = {"plain", "coffer", "gocryptfs", "passthrough_ll"};
    for (int round = 1; round <= 3; round++) {
      for (int i = 0; i < names.length; i++) {
        double drift = 1 + 0.1 * round;
        double load = i == 2 && round == 2 ? 0.35 : 0.01;
        results.add(
            new Sample(names[i], Metric.WRITE, round, 800 * factors[i][0] * drift, load, 1.5));
        results.add(
            new Sample(names[i], Metric.UNTAR, round, 3 * factors[i][1] * drift, 0.01, 2.25));
      }
      results.add(new Sample("coffer", Metric.MEMORY, round, 100, 0, 0));
    }
    results.add(new Failure("securefs", 1, "mount", "cannot open <gone> & \"lost\""));
    results.setVersion(peer("gocryptfs", Peer.Kind.ENCRYPTING), "gocryptfs 2.3");
    return results;
  }

  private static Machine machine() {
    return new Machine("A processor", 2, 24, "Linux 6.1", "tmpfs", "25");
  }

  private static Peer peer(String name, Peer.Kind kind) {
    return new Peer(name, kind, "about " + name, null, null, false, null, "", List.of(), null);
  }

  private static void assertLooksLike(String golden, String actual) throws IOException {
    if (Boolean.getBoolean("golden.update")) {
      Files.writeString(Path.of("src/test/resources/io/coffer/bench", golden), actual);
    }
    try (InputStream in = ReportTest.class.getResourceAsStream(golden)) {
      String expected = in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(expected, actual);
    }
  }
}
