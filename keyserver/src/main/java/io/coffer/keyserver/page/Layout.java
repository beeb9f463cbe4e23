package io.coffer.keyserver.page;

import io.coffer.keyserver.ca.Profile;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A whole page: head, navigation, the way that led here, content. Not thread-safe. */
final class Layout {
  private record Place(String address, String text) {}

  private final @Nullable Visit visit;
  private final String title;
  private final List<Place> above = new ArrayList<>();
  private final Html main = Html.of("main").attr("id", "main").attr("tabindex", "-1");
  private final Html content = Html.of("div").attr("class", "content");

  private Layout(@Nullable Visit visit, String title) {
    this.visit = visit;
    this.title = title;
  }

  /**
   * Begins a page.
   *
   * @param visit null if it is not known who asks
   */
  static Layout of(@Nullable Visit visit, String title) {
    return new Layout(visit, title);
  }

  /** A page above this one. */
  Layout under(String address, String text) {
    above.add(new Place(address, text));
    return this;
  }

  Layout add(Html... parts) {
    content.add(parts);
    return this;
  }

  Document document() {
    Html body =
        Html.of(
            "body",
            Html.of("a", "Skip to the content").attr("href", "#main").attr("class", "skip"));
    Html top =
        Html.of(
            "div",
            Html.of("a", Html.of("strong", "Coffer"), Html.of("span", "key service"))
                .attr("href", "/page")
                .attr("class", "brand"));
    if (visit != null) {
      top.add(
          Html.of("span", "You are ")
              .add(Html.of("strong", visit.who().toString()))
              .attr("class", "me"));
    }
    Html header = Html.of("header", top.attr("class", "bar"));
    if (visit != null) {
      header.add(navigation(visit));
    }
    if (!above.isEmpty()) {
      Html way = Html.of("ol");
      for (Place place : above) {
        way.add(Html.of("li", Parts.link(place.address(), place.text())));
      }
      way.add(Html.of("li", Html.of("span", title).attr("aria-current", "page")));
      main.add(Html.of("nav", way).attr("aria-label", "You are here").attr("class", "way"));
    }
    main.add(Html.of("h1", title));
    if (visit != null) {
      String done = Pages.done(visit.text("done"));
      if (done != null) {
        main.add(Parts.notice("good", done));
      }
    }
    main.add(content);
    body.add(
        header,
        main,
        Html.of("footer", Html.of("p", "Coffer key service. No page shows a key; times are UTC.")));
    return new Document(
        Html.document(
            Html.of(
                    "html",
                    Html.of(
                        "head",
                        Html.of("meta").attr("charset", "utf-8"),
                        Html.of("meta")
                            .attr("name", "viewport")
                            .attr("content", "width=device-width, initial-scale=1"),
                        Html.of("meta").attr("name", "color-scheme").attr("content", "light dark"),
                        Html.of("title", title + " · Coffer"),
                        Html.of("link").attr("rel", "stylesheet").attr("href", "/page/page.css"),
                        Html.of("link").attr("rel", "icon").attr("href", "/page/icon.svg")),
                    body)
                .attr("lang", "en")));
  }

  private static Html navigation(Visit visit) {
    List<Place> places = new ArrayList<>();
    places.add(new Place("/page", "Overview"));
    places.add(new Place("/page/services", "Services"));
    places.add(new Place("/page/owners", "Owners and keys"));
    if (visit.isOverseer()) {
      places.add(new Place("/page/endpoints", "Endpoints"));
    }
    places.add(new Place("/page/tokens", "Tokens"));
    places.add(new Place("/page/tickets", "Tickets"));
    if (visit.who().profile() == Profile.CLIENT) {
      places.add(new Place("/page/transfers", "Transfers"));
    }
    if (visit.isOverseer()) {
      places.add(new Place("/page/doors", "OpenStack"));
    }
    if (visit.isAuditor()) {
      places.add(new Place("/page/audit", "Audit log"));
    }
    Html list = Html.of("ul");
    for (Place place : places) {
      Html link = Parts.link(place.address(), place.text());
      if (isAt(visit.path(), place.address())) {
        link.attr("aria-current", visit.path().equals(place.address()) ? "page" : "true");
      }
      list.add(Html.of("li", link));
    }
    return Html.of("nav", list).attr("aria-label", "Main").attr("class", "main");
  }

  private static boolean isAt(String path, String place) {
    if (path.contains("/keys")) {
      return place.equals("/page/owners");
    }
    return path.equals(place) || (!place.equals("/page") && path.startsWith(place + "/"));
  }
}
