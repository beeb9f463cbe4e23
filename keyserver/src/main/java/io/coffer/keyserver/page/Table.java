package io.coffer.keyserver.page;

/**
 * A table with a caption and headers. On a narrow screen each row becomes a card, with the column's
 * name before each value; the roles keep it a table for those who do not see it. Not thread-safe.
 */
final class Table {
  private final String[] columns;
  private final String caption;
  private final Html body = Html.of("tbody").attr("role", "rowgroup");
  private boolean empty = true;

  Table(String caption, String... columns) {
    this.caption = caption;
    this.columns = columns;
  }

  /** Adds a row; its first cell is its header. */
  Table row(Html... cells) {
    empty = false;
    Html row = Html.of("tr").attr("role", "row");
    for (int i = 0; i < cells.length; i++) {
      Html cell = i == 0 ? Html.of("th").attr("scope", "row") : Html.of("td");
      row.add(
          cell.attr("role", i == 0 ? "rowheader" : "cell")
              .attr("data-label", columns[i])
              .add(Html.of("div", cells[i])));
    }
    body.add(row);
    return this;
  }

  /** The table, or a sentence if it has no rows. */
  Html orElse(String sentence) {
    if (empty) {
      return Html.of("p", sentence).attr("class", "muted");
    }
    Html head = Html.of("tr").attr("role", "row");
    for (String column : columns) {
      head.add(Html.of("th", column).attr("scope", "col").attr("role", "columnheader"));
    }
    return Html.of("table", Html.of("caption", caption))
        .add(Html.of("thead", head).attr("role", "rowgroup"), body)
        .attr("role", "table");
  }
}
