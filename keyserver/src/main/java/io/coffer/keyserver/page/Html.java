package io.coffer.keyserver.page;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * An element of HTML. There is no way to put markup into it but as another element: texts and the
 * values of attributes are escaped when it is written, tags and attributes are of a short list that
 * has no script, style or frame, and addresses can only be those of this server. Not thread-safe.
 */
public final class Html {
  private static final Set<String> EMPTY = Set.of("br", "input", "link", "meta");
  private static final Set<String> TAGS =
      Set.of(
          "a",
          "bdi",
          "body",
          "br",
          "button",
          "caption",
          "code",
          "dd",
          "div",
          "dl",
          "dt",
          "fieldset",
          "footer",
          "form",
          "h1",
          "h2",
          "head",
          "header",
          "html",
          "input",
          "label",
          "legend",
          "li",
          "link",
          "main",
          "meta",
          "nav",
          "ol",
          "option",
          "p",
          "progress",
          "section",
          "select",
          "small",
          "span",
          "strong",
          "table",
          "tbody",
          "td",
          "textarea",
          "th",
          "thead",
          "time",
          "title",
          "tr",
          "ul");
  private static final Set<String> ATTRIBUTES =
      Set.of(
          "action",
          "aria-current",
          "aria-describedby",
          "aria-label",
          "autocomplete",
          "checked",
          "charset",
          "class",
          "content",
          "data-label",
          "datetime",
          "for",
          "href",
          "id",
          "lang",
          "max",
          "maxlength",
          "method",
          "name",
          "rel",
          "required",
          "role",
          "rows",
          "scope",
          "selected",
          "tabindex",
          "type",
          "value");
  private static final Set<String> ADDRESSES = Set.of("action", "href");
  private static final Pattern HERE =
      Pattern.compile("#[a-z]+|/(?:[A-Za-z0-9._~:?=&%+*-][A-Za-z0-9._~:/?=&%+*-]*)?");

  private final String tag;
  private final StringBuilder attributes = new StringBuilder();
  private final List<Object> children = new ArrayList<>();

  private Html(String tag) {
    if (!TAGS.contains(tag)) {
      throw new IllegalArgumentException("the page has no element '" + tag + "'");
    }
    this.tag = tag;
  }

  /** An element with other elements in it. */
  public static Html of(String tag, Html... children) {
    return new Html(tag).add(children);
  }

  /** An element with a text in it. */
  public static Html of(String tag, String text) {
    return new Html(tag).text(text);
  }

  /**
   * Sets an attribute.
   *
   * @throws IllegalArgumentException for an attribute that the page does not use, or an address
   *     that is not one of this server
   */
  public Html attr(String name, String value) {
    if (!ATTRIBUTES.contains(name)) {
      throw new IllegalArgumentException("the page has no attribute '" + name + "'");
    }
    if (ADDRESSES.contains(name) && !HERE.matcher(value).matches()) {
      throw new IllegalArgumentException("this is no address of this server");
    }
    attributes.append(' ').append(name).append("=\"");
    escape(value, attributes);
    attributes.append('"');
    return this;
  }

  /** Adds a text. */
  public Html text(String text) {
    children.add(text);
    return this;
  }

  /** Adds elements. */
  public Html add(Html... more) {
    children.addAll(List.of(more));
    return this;
  }

  /** Writes a document. */
  static String document(Html root) {
    StringBuilder out = new StringBuilder(8192).append("<!DOCTYPE html>\n");
    root.write(out);
    return out.append('\n').toString();
  }

  private void write(StringBuilder out) {
    out.append('<').append(tag).append(attributes).append('>');
    if (EMPTY.contains(tag)) {
      return;
    }
    for (Object child : children) {
      if (child instanceof Html element) {
        element.write(out);
      } else {
        escape(child.toString(), out);
      }
    }
    out.append("</").append(tag).append('>');
  }

  private static void escape(String text, StringBuilder out) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> out.append("&amp;");
        case '<' -> out.append("&lt;");
        case '>' -> out.append("&gt;");
        case '"' -> out.append("&quot;");
        case '\'' -> out.append("&#39;");
        default -> out.append(Character.isISOControl(c) ? '\uFFFD' : c);
      }
    }
  }

  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    write(out);
    return out.toString();
  }
}
