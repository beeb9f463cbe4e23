package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a deed has to be told by whoever does it: the fields of its form, and how the request of the
 * API is made of them. Whether that makes sense, the API says.
 *
 * @param fields shown on the page that asks
 * @param body makes the API's body of what was filled in
 * @param name the field that is the last name in the API's address; empty if all are in the page's
 */
public record Input(Fields fields, Body body, String name) {
  /** Nothing: a request without body. */
  static final Input NONE = new Input(visit -> Html.of("div"), form -> new JsonObject(), "");

  /** Shows the fields. */
  public interface Fields {
    Html of(Visit visit) throws ProblemException, EngineException, JsonException;
  }

  /** Makes a body; the fields that were filled in are texts, blanks around them removed. */
  public interface Body {
    JsonObject of(JsonObject form) throws ProblemException, JsonException;
  }

  /** The names in the API's address. */
  public List<String> names(List<String> inPath, JsonObject form) throws JsonException {
    if (name.isEmpty()) {
      return inPath;
    }
    List<String> all = new ArrayList<>(inPath);
    all.add(text(form, name));
    return all;
  }

  /** What was filled in, without blanks around it; empty if nothing. */
  static String text(JsonObject form, String field) throws JsonException {
    String text = form.optionalString(field);
    return text == null ? "" : text.strip();
  }

  /** What was filled in, with commas between one and the next. */
  static List<String> list(JsonObject form, String field) throws JsonException {
    return Stream.of(text(form, field).split(","))
        .map(String::strip)
        .filter(each -> !each.isEmpty())
        .toList();
  }

  /** A number that was filled in. */
  static long number(JsonObject form, String field) throws ProblemException, JsonException {
    String text = text(form, field);
    if (!text.matches("[0-9]{1,9}")) {
      throw ProblemException.badRequest(
          "'" + field + "' is no whole number", "Go back, and write one, in digits.");
    }
    return Long.parseLong(text);
  }

  /** The ends of the names of the boxes that were ticked and begin so. */
  static List<String> ticked(JsonObject form, String prefix) {
    return form.names().stream()
        .filter(name -> name.startsWith(prefix))
        .map(name -> name.substring(prefix.length()))
        .sorted()
        .toList();
  }
}
