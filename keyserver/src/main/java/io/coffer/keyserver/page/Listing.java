package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/**
 * A list, looked through for a text that somebody gave in the field {@code q}, and shown page by
 * page by the field {@code from}. Immutable.
 */
final class Listing<T> {
  static final int PAGE = 50;

  private final Visit visit;
  private final List<T> found;
  private final int all;
  private final int from;

  /**
   * @param words gives what of an element is looked through
   */
  Listing(Visit visit, List<T> elements, Function<T, String> words) throws ProblemException {
    this.visit = visit;
    this.all = elements.size();
    String wanted = visit.text("q").toLowerCase(Locale.ROOT);
    this.found =
        elements.stream()
            .filter(e -> words.apply(e).toLowerCase(Locale.ROOT).contains(wanted))
            .toList();
    this.from = (int) Math.min(visit.number("from"), found.size());
  }

  /** The elements of this page. */
  List<T> shown() {
    return found.subList(from, Math.min(found.size(), from + PAGE));
  }

  /** The field to look for something; only where there is something to choose from. */
  Html search(String label) {
    if (all <= 5 && visit.text("q").isEmpty()) {
      return Html.of("div");
    }
    return Html.of("form", Parts.input("q", label, visit.text("q")), Parts.submit("Search"))
        .attr("action", visit.path())
        .attr("method", "get")
        .attr("role", "search")
        .attr("class", "search");
  }

  /** Where in the list this is, and the way to its other pages. */
  Html pages() {
    if (found.size() <= PAGE && from == 0) {
      return Html.of("div");
    }
    List<Html> parts = new ArrayList<>();
    int end = Math.min(found.size(), from + PAGE);
    parts.add(
        Parts.muted(
            (found.isEmpty() ? 0 : Math.min(from + 1, end))
                + " to "
                + end
                + " of "
                + found.size()));
    if (from > 0) {
      int back = Math.max(0, from - PAGE);
      parts.add(Parts.link(page(back), "Previous page").attr("rel", "prev"));
    }
    if (end < found.size()) {
      parts.add(Parts.link(page(end), "Next page").attr("rel", "next"));
    }
    return pager(parts);
  }

  private String page(int begin) {
    return new Address(visit.path())
        .with("q", visit.text("q"))
        .with("from", begin == 0 ? "" : String.valueOf(begin))
        .text();
  }

  static Html pager(List<Html> parts) {
    return Html.of("nav", parts.toArray(Html[]::new))
        .attr("aria-label", "Pages")
        .attr("class", "pages");
  }
}
