package io.coffer.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The results as one HTML file that needs nothing else: a bar chart for each metric, drawn as
 * inline SVG, and the same figures as a table for those who cannot see charts.
 */
final class HtmlReport {
  private static final int CHART_WIDTH = 520;
  private static final int NAME_WIDTH = 140;
  private static final int VALUE_WIDTH = 90;
  private static final int BAR_WIDTH = CHART_WIDTH - NAME_WIDTH - VALUE_WIDTH;
  private static final int BAR_HEIGHT = 16;
  private static final int ROW_HEIGHT = 24;

  private static final String STYLE =
      """
      :root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --faint: #6a737d;
        --rule: #d8dee4; --coffer: #0b6bcb; --encrypting: #8c6bb1; --clear: #7a8a3a;
        --kernel: #b0702f; --plain: #8a949e; }
      @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117;
        --faint: #9aa4ae; --rule: #30363d; --coffer: #58a6ff; --encrypting: #b79ade;
        --clear: #a9bb5c; --kernel: #d99a5b; --plain: #7d8590; } }
      body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
        max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
      h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
      .faint { color: var(--faint); }
      .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(28rem, 100%), 1fr));
        gap: 1.2rem; }
      figure { margin: 0; border: 1px solid var(--rule); border-radius: 6px; padding: .8rem; }
      figcaption { font-weight: 600; } figcaption span { font-weight: 400; color: var(--faint); }
      svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; }
      svg .range { stroke: var(--ink); stroke-width: 1.5; }
      .coffer { fill: var(--coffer); } .encrypting { fill: var(--encrypting); }
      .clear { fill: var(--clear); } .kernel { fill: var(--kernel); } .plain { fill: var(--plain); }
      table { border-collapse: collapse; margin: .8rem 0; display: block; overflow-x: auto; }
      th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--rule); text-align: right;
        white-space: nowrap; font-variant-numeric: tabular-nums; }
      th:first-child, td:first-child { text-align: left; }
      th[scope=row] { font-weight: 500; }
      .key svg { width: .9rem; height: .9rem; vertical-align: -1px; margin-left: 1rem; }
      .warn { border-left: 4px solid var(--kernel); padding-left: .8rem; }
      """;

  private final Results results;
  private final StringBuilder out = new StringBuilder();

  private HtmlReport(Results results) {
    this.results = results;
  }

  static String render(Results results) {
    return new HtmlReport(results).page();
  }

  private String page() {
    out.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .append("<title>Coffer beside other filesystems</title>\n<style>\n")
        .append(STYLE)
        .append("</style>\n</head>\n<body>\n<h1>Coffer beside other filesystems</h1>\n");
    line(String.format(Locale.ROOT, "<p>%s<br>", escape(results.machine().toString())));
    List<String> settings = new ArrayList<>();
    for (Map.Entry<String, String> setting : results.settings().entrySet()) {
      settings.add(setting.getKey() + ": " + setting.getValue());
    }
    line(String.format(Locale.ROOT, "%s<br>", escape(String.join("; ", settings))));
    line(
        String.format(
            Locale.ROOT, "<span class=\"faint\">started %s</span></p>", results.started()));
    results
        .remarks()
        .forEach(
            remark -> line(String.format(Locale.ROOT, "<p class=\"warn\">%s</p>", escape(remark))));
    ratios();
    key();
    for (Metric.Group group : Metric.Group.values()) {
      group(group);
    }
    systems();
    failures();
    out.append("</body>\n</html>\n");
    return out.toString();
  }

  private void ratios() {
    Ratios.of(results)
        .ifPresent(ratios -> {
          line(
              String.format(
                  Locale.ROOT,
                  "<h2>How many times better %s is</h2>",
                  escape(ratios.reference().name())));
          out.append("<p class=\"faint\">2.00x: twice as fast, or half the cost. Below 1x:")
              .append(" worse.</p>\n<table>\n<tr><th scope=\"col\">Measured</th>");
          ratios
              .against()
              .forEach(name -> out.append("<th scope=\"col\">than " + escape(name) + "</th>"));
          out.append("</tr>\n");
          for (Ratios.Row row : ratios.rows()) {
            out.append("<tr><th scope=\"row\">").append(title(row.metric())).append("</th>");
            row.cells().forEach(cell -> out.append("<td>" + escape(cell) + "</td>"));
            out.append("</tr>\n");
          }
          out.append("</table>\n");
        });
  }

  private static String title(Metric metric) {
    return escape(metric.group().title() + ": " + metric.title() + ", " + metric.unit());
  }

  private void key() {
    out.append("<p class=\"key\"><span class=\"faint\">Bars are medians, lines reach from the")
        .append(" least to the greatest value; » means that the bar would go on.</span>");
    for (Peer.Kind kind : Peer.Kind.values()) {
      if (results.peers().stream().anyMatch(p -> p.kind() == kind && results.has(p))) {
        line(
            String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect width=\"10\" height=\"10\""
                    + " class=\"%s\"/></svg> %s",
                style(kind),
                escape(kind.title())));
      }
    }
    out.append("</p>\n");
  }

  private void group(Metric.Group group) {
    List<Metric> metrics = new ArrayList<>();
    for (Metric metric : Metric.values()) {
      if (metric.group() == group && results.has(metric)) {
        metrics.add(metric);
      }
    }
    if (metrics.isEmpty()) {
      return;
    }
    line(String.format(Locale.ROOT, "<h2>%s</h2>", escape(group.title())));
    out.append("<div class=\"charts\">\n");
    metrics.forEach(this::chart);
    out.append("</div>\n<table>\n<tr><th scope=\"col\">System</th>");
    metrics.forEach(
        m -> out.append("<th scope=\"col\">" + escape(m.title() + ", " + m.unit()) + "</th>"));
    out.append("</tr>\n");
    for (Peer peer : results.peers()) {
      if (results.has(peer)) {
        out.append("<tr><th scope=\"row\">").append(escape(peer.name())).append("</th>");
        metrics.forEach(
            m -> out.append("<td>" + escape(Figures.cell(results.summary(peer, m))) + "</td>"));
        out.append("</tr>\n");
      }
    }
    out.append("</table>\n");
  }

  private void chart(Metric metric) {
    List<Peer> peers =
        results.peers().stream().filter(p -> results.summary(p, metric).isPresent()).toList();
    double scale = scale(peers, metric);
    List<String> words = new ArrayList<>();
    peers.forEach(p ->
        words.add(
            p.name() + " " + Figures.number(results.summary(p, metric).orElseThrow().median())));
    line(
        String.format(
            Locale.ROOT,
            "<figure><figcaption>%s <span>%s, %s is better</span></figcaption>",
            escape(metric.title()),
            escape(metric.unit()),
            metric.moreIsBetter() ? "more" : "less"));
    line(
        String.format(
            Locale.ROOT,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
            CHART_WIDTH,
            peers.size() * ROW_HEIGHT,
            escape(metric.title() + " in " + metric.unit() + ": " + String.join(", ", words))));
    int y = 0;
    for (Peer peer : peers) {
      bar(peer, results.summary(peer, metric).orElseThrow(), scale, y);
      y += ROW_HEIGHT;
    }
    out.append("</svg></figure>\n");
  }

  /**
   * Units of the drawing per unit of the metric. What works in the kernel may be a hundred times
   * faster; the systems that are compared shall fill the chart all the same.
   */
  private double scale(List<Peer> peers, Metric metric) {
    double inUserSpace = greatest(peers.stream().filter(Peer::hasDaemon).toList(), metric);
    double greatest = inUserSpace > 0 ? inUserSpace : greatest(peers, metric);
    return greatest == 0 ? 0 : BAR_WIDTH / greatest;
  }

  private double greatest(List<Peer> peers, Metric metric) {
    return peers.stream()
        .mapToDouble(p -> results.summary(p, metric).orElseThrow().max())
        .max()
        .orElse(0);
  }

  private void bar(Peer peer, Summary summary, double scale, int y) {
    boolean beyond = summary.median() * scale > BAR_WIDTH + 1;
    double width = Math.min(summary.median() * scale, BAR_WIDTH);
    double from = NAME_WIDTH + Math.min(summary.min() * scale, BAR_WIDTH);
    double to = NAME_WIDTH + Math.min(summary.max() * scale, BAR_WIDTH);
    int top = y + (ROW_HEIGHT - BAR_HEIGHT) / 2;
    int middle = y + ROW_HEIGHT / 2;
    line(
        String.format(
            Locale.ROOT,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>",
            NAME_WIDTH - 6,
            middle + 4,
            escape(peer.name())));
    line(
        String.format(
            Locale.ROOT,
            "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>",
            NAME_WIDTH,
            top,
            width,
            BAR_HEIGHT,
            style(peer.kind())));
    line(
        String.format(
            Locale.ROOT,
            "<line class=\"range\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
            from,
            middle,
            to,
            middle));
    line(
        String.format(
            Locale.ROOT,
            "<text x=\"%.1f\" y=\"%d\">%s</text>",
            Math.max(NAME_WIDTH + width, to) + 6,
            middle + 4,
            (beyond ? "\u00bb " : "") + Figures.number(summary.median())));
  }

  private void systems() {
    out.append("<h2>Systems</h2>\n<table>\n<tr><th scope=\"col\">Name</th><th scope=\"col\">Kind")
        .append("</th><th scope=\"col\">What</th><th scope=\"col\">Version</th></tr>\n");
    for (Peer peer : results.peers()) {
      line(
          String.format(
              Locale.ROOT,
              "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>",
              escape(peer.name()),
              escape(peer.kind().title()),
              escape(peer.description()),
              escape(results.version(peer))));
    }
    out.append("</table>\n");
  }

  private void failures() {
    if (results.failures().isEmpty()) {
      return;
    }
    out.append("<h2>Failures</h2>\n<ul class=\"warn\">\n");
    for (Failure failure : results.failures()) {
      line(
          String.format(
              Locale.ROOT,
              "<li>%s, round %d, %s: %s</li>",
              escape(failure.peer()),
              failure.round(),
              escape(failure.phase()),
              escape(failure.reason())));
    }
    out.append("</ul>\n");
  }

  private static String style(Peer.Kind kind) {
    return switch (kind) {
      case COFFER -> "coffer";
      case ENCRYPTING -> "encrypting";
      case CLEAR_FUSE -> "clear";
      case KERNEL -> "kernel";
      case PLAIN -> "plain";
    };
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  private void line(String text) {
    out.append(text).append('\n');
  }
}
