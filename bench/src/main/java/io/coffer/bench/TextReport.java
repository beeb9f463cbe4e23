package io.coffer.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The results as tables for a terminal. */
final class TextReport {
  private TextReport() {}

  static String render(Results results) {
    var out = new StringBuilder();
    out.append(results.machine()).append('\n');
    for (Map.Entry<String, String> setting : results.settings().entrySet()) {
      out.append(setting.getKey()).append(": ").append(setting.getValue()).append('\n');
    }
    out.append("Medians ± half the distance between the least and the greatest value.\n");
    for (Metric.Group group : Metric.Group.values()) {
      group(out, results, group);
    }
    Ratios.of(results).ifPresent(ratios -> ratios(out, ratios));
    if (!results.failures().isEmpty()) {
      out.append("\nFailures\n");
      for (Failure failure : results.failures()) {
        out.append(
            "  %s, round %d, %s: %s%n"
                .formatted(failure.peer(), failure.round(), failure.phase(), failure.reason()));
      }
    }
    for (String remark : results.remarks()) {
      out.append('\n').append(remark).append('\n');
    }
    return out.toString();
  }

  private static void group(StringBuilder out, Results results, Metric.Group group) {
    List<Metric> metrics = new ArrayList<>();
    for (Metric metric : Metric.values()) {
      if (metric.group() == group && results.has(metric)) {
        metrics.add(metric);
      }
    }
    if (metrics.isEmpty()) {
      return;
    }
    List<List<String>> rows = new ArrayList<>();
    List<String> titles = new ArrayList<>(List.of(""));
    List<String> units = new ArrayList<>(List.of(""));
    for (Metric metric : metrics) {
      titles.add(metric.title());
      units.add(metric.unit());
    }
    rows.add(titles);
    rows.add(units);
    for (Peer peer : results.peers()) {
      if (!results.has(peer)) {
        continue;
      }
      List<String> row = new ArrayList<>(List.of(peer.name()));
      metrics.forEach(metric -> row.add(Figures.cell(results.summary(peer, metric))));
      rows.add(row);
    }
    out.append('\n').append(group.title()).append('\n');
    table(out, rows);
  }

  private static void ratios(StringBuilder out, Ratios ratios) {
    List<List<String>> rows = new ArrayList<>();
    List<String> header = new ArrayList<>(List.of(""));
    ratios.against().forEach(name -> header.add("than " + name));
    rows.add(header);
    for (Ratios.Row row : ratios.rows()) {
      List<String> cells =
          new ArrayList<>(List.of(row.metric().key() + ", " + row.metric().unit()));
      cells.addAll(row.cells());
      rows.add(cells);
    }
    out.append("\nHow many times better ")
        .append(ratios.reference().name())
        .append(" is (below 1: worse)\n");
    table(out, rows);
  }

  /** The first column to the left, the others to the right. */
  private static void table(StringBuilder out, List<List<String>> rows) {
    int columns = rows.getFirst().size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int c = 0; c < columns; c++) {
        widths[c] = Math.max(widths[c], row.get(c).length());
      }
    }
    for (List<String> row : rows) {
      var line = new StringBuilder("  ");
      for (int c = 0; c < columns; c++) {
        String padding = " ".repeat(widths[c] - row.get(c).length());
        line.append(c == 0 ? row.get(c) + padding : "   " + padding + row.get(c));
      }
      out.append(line.toString().stripTrailing()).append('\n');
    }
  }
}
