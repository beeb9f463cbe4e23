package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import org.jspecify.annotations.Nullable;

/**
 * Something that can be done from a page: a request of the API, after a page that asks whether it
 * is meant, and for what it needs.
 *
 * @param path of the page that asks, with an asterisk for each name; the names are those of the
 *     API's address, in their order
 * @param action the API's
 * @param title what is about to be done, short
 * @param button what the button says
 * @param grave can it not be undone, or does it take something away from somebody?
 * @param ask says what it is about and what follows from it; checks that the visitor may know
 * @param done says that it was done
 * @param levels how many segments at the end of the path lead back to the page that shows the
 *     result
 * @param input what has to be filled in
 * @param shows a page of what the API answered, for what is shown this once; null to go back to the
 *     page that shows the result
 */
public record Deed(
    String path,
    String action,
    String title,
    String button,
    boolean grave,
    Ask ask,
    String done,
    int levels,
    Input input,
    @Nullable Shows shows) {
  /** One whose result is on the page that it goes back to. */
  public Deed(
      String path,
      String action,
      String title,
      String button,
      boolean grave,
      Ask ask,
      String done,
      int levels,
      Input input) {
    this(path, action, title, button, grave, ask, done, levels, input, null);
  }

  /** One that needs nothing but its address. */
  public Deed(
      String path,
      String action,
      String title,
      String button,
      boolean grave,
      Ask ask,
      String done,
      int levels) {
    this(path, action, title, button, grave, ask, done, levels, Input.NONE);
  }

  /** What somebody should know before. */
  public interface Ask {
    Html about(Visit visit) throws ProblemException, EngineException, JsonException;
  }

  /** Shows what the API answered. */
  public interface Shows {
    Document page(Visit visit, JsonObject answer) throws JsonException;
  }

  /** Where the result is shown. */
  public String next(String from) {
    String next = from;
    for (int i = 0; i < levels; i++) {
      next = next.substring(0, next.lastIndexOf('/'));
    }
    return new Address(next).with("done", action).text();
  }
}
