package io.coffer.keyserver.page;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The parts that pages are made of. */
final class Parts {
  /** A text up to this length stays on one line of a table, if the screen is wide. */
  private static final int SHORT_CHARS = 28;

  private Parts() {}

  static Html link(String address, String text) {
    return Html.of("a", text).attr("href", address);
  }

  /** A name that somebody chose: set apart, so that its direction of writing ends with it. */
  static Html name(String text) {
    if (text.isEmpty()) {
      return muted("none");
    }
    Html name = Html.of("bdi", text);
    return text.length() > SHORT_CHARS ? name : name.attr("class", "short");
  }

  static Html code(String text) {
    return Html.of("code", text);
  }

  static Html muted(String text) {
    return Html.of("span", text)
        .attr("class", text.length() > SHORT_CHARS ? "muted" : "muted short");
  }

  static Html good(String text) {
    return badge("good", text);
  }

  static Html bad(String text) {
    return badge("bad", text);
  }

  static Html warning(String text) {
    return badge("warn", text);
  }

  private static Html badge(String kind, String text) {
    return Html.of("span", text).attr("class", "badge " + kind);
  }

  /** A state of a version: active, retired. */
  static Html state(String state) {
    return state.equals("active") ? good(state) : badge("plain", state);
  }

  /** A time as the API writes it. */
  static Html time(@Nullable String iso) {
    if (iso == null) {
      return muted("never");
    }
    int end = iso.indexOf('.') < 0 ? iso.length() - 1 : iso.indexOf('.');
    return Html.of("time", iso.substring(0, end).replace('T', ' ') + " UTC").attr("datetime", iso);
  }

  /** A time to come, and how long it is until then. */
  static Html until(String iso, Instant now) {
    Duration left = Duration.between(now, Instant.parse(iso));
    String in =
        left.isNegative()
            ? "over"
            : left.toDays() > 1
                ? "in " + left.toDays() + " days"
                : left.toHours() > 1
                    ? "in " + left.toHours() + " hours"
                    : left.toMinutes() > 1
                        ? "in " + left.toMinutes() + " minutes"
                        : "in " + left.toSeconds() + " seconds";
    return Html.of("span", time(iso)).add(Html.of("br"), muted(in));
  }

  /** Names with commas between them. */
  static Html list(List<String> names, String none) {
    if (names.isEmpty()) {
      return muted(none);
    }
    Html list = Html.of("span");
    for (int i = 0; i < names.size(); i++) {
      list.text(i == 0 ? "" : ", ").add(name(names.get(i)));
    }
    return list;
  }

  static Html section(String title, Html... content) {
    return Html.of("section", Html.of("h2", title)).add(content);
  }

  static Html paragraph(String text) {
    return Html.of("p", text);
  }

  /** A message that stands out: good, bad or warn. */
  static Html notice(String kind, String title, Html... more) {
    return Html.of("div", Html.of("strong", title))
        .add(more)
        .attr("class", "notice " + kind)
        .attr("role", "status");
  }

  /** Links to what can be done. */
  static Html actions(Html... links) {
    Html list = Html.of("ul").attr("class", "actions");
    for (Html link : links) {
      list.add(Html.of("li", link));
    }
    return list;
  }

  /** A link that looks like a button. */
  static Html button(String address, String text) {
    return link(address, text).attr("class", "button");
  }

  /** A link that looks like a button, and like one to think about. */
  static Html graveButton(String address, String text) {
    return link(address, text).attr("class", "button grave");
  }

  static Html input(String id, String label, String value) {
    return Html.of("div", Html.of("label", label).attr("for", id))
        .add(
            Html.of("input")
                .attr("id", id)
                .attr("name", id)
                .attr("type", "text")
                .attr("value", value)
                .attr("autocomplete", "off"))
        .attr("class", "field");
  }

  /** A field of a form that has to be filled in, unless it is optional. */
  static Html field(String id, String label, String value, String hint, boolean optional) {
    Html input =
        Html.of("input")
            .attr("id", id)
            .attr("name", id)
            .attr("type", "text")
            .attr("value", value)
            .attr("maxlength", "255")
            .attr("autocomplete", "off");
    return described(id, label, optional ? input : input.attr("required", "required"), hint);
  }

  /** A field of many lines, which may stay empty. */
  static Html area(String id, String label, String hint) {
    return described(
        id, label, Html.of("textarea", "").attr("id", id).attr("name", id).attr("rows", "6"), hint);
  }

  /** A choice among values, the first of which is chosen. */
  static Html choice(String id, String label, String hint, List<String> values) {
    Html select = Html.of("select").attr("id", id).attr("name", id);
    for (String value : values) {
      select.add(Html.of("option", value).attr("value", value));
    }
    return described(id, label, select, hint);
  }

  private static Html described(String id, String label, Html control, String hint) {
    Html field =
        Html.of("div", Html.of("label", label).attr("for", id), control).attr("class", "field");
    if (!hint.isEmpty()) {
      control.attr("aria-describedby", id + "-hint");
      field.add(Html.of("small", hint).attr("id", id + "-hint").attr("class", "muted"));
    }
    return field;
  }

  /** A box to tick. */
  static Html tick(String id, String label, boolean ticked) {
    Html box =
        Html.of("input")
            .attr("id", id)
            .attr("name", id)
            .attr("type", "checkbox")
            .attr("value", "on");
    return Html.of(
            "div",
            ticked ? box.attr("checked", "checked") : box,
            Html.of("label", label).attr("for", id))
        .attr("class", "tick");
  }

  /** Fields that belong together. */
  static Html group(String legend, List<Html> fields) {
    return Html.of("fieldset", Html.of("legend", legend)).add(fields.toArray(Html[]::new));
  }

  /** The fields of a form. */
  static Html fields(Html... fields) {
    return Html.of("div", fields).attr("class", "fields");
  }

  static Html submit(String text) {
    return Html.of("button", text).attr("type", "submit").attr("class", "button");
  }
}
