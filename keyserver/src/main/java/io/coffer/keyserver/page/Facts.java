package io.coffer.keyserver.page;

/** What is known of one thing: names and values. Not thread-safe. */
final class Facts {
  private final Html list = Html.of("dl").attr("class", "facts");

  Facts put(String name, Html value) {
    list.add(Html.of("div", Html.of("dt", name), Html.of("dd", value)));
    return this;
  }

  Facts put(String name, String value) {
    return put(name, Parts.name(value));
  }

  Html html() {
    return list;
  }
}
