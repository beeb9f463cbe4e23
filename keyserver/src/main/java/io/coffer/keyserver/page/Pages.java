package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** All pages. */
public final class Pages {
  private static final List<Deed> DEEDS = deeds();

  private Pages() {}

  /** What can be looked at. */
  public static List<View> views() {
    List<View> all = new ArrayList<>(List.of(HomePage.VIEW, TransferPages.VIEW, AuditPages.VIEW));
    all.addAll(ServicePages.VIEWS);
    all.addAll(OwnerPages.VIEWS);
    all.addAll(KeyPages.VIEWS);
    all.addAll(EndpointPages.VIEWS);
    all.addAll(TokenPages.VIEWS);
    return all;
  }

  /** What can be done. */
  public static List<Deed> deeds() {
    List<Deed> all =
        new ArrayList<>(
            List.of(
                HomePage.SEAL,
                EndpointPages.REGISTER,
                EndpointPages.UNREGISTER,
                AuditPages.VERIFY));
    all.addAll(OwnerPages.DEEDS);
    all.addAll(ServicePages.DEEDS);
    all.addAll(KeyPages.DEEDS);
    all.addAll(TokenPages.DEEDS);
    all.addAll(TransferPages.DEEDS);
    return all;
  }

  /** What a page says after a deed; null if there is no such deed. */
  static @Nullable String done(String action) {
    for (Deed deed : DEEDS) {
      if (deed.action().equals(action)) {
        return deed.done();
      }
    }
    return null;
  }

  /**
   * The page that asks whether a deed is meant.
   *
   * @param seal shows that the form is ours: see {@link FormSeal}
   */
  public static Document confirmation(Deed deed, Visit visit, String seal)
      throws ProblemException, EngineException, JsonException {
    String back = visit.path();
    for (int i = 0; i < deed.levels(); i++) {
      back = back.substring(0, back.lastIndexOf('/'));
    }
    return Layout.of(visit, deed.title())
        .add(
            deed.ask().about(visit),
            Html.of(
                    "form",
                    Html.of("input")
                        .attr("type", "hidden")
                        .attr("name", "seal")
                        .attr("value", seal),
                    deed.input().fields().of(visit),
                    Html.of("button", deed.button())
                        .attr("type", "submit")
                        .attr("class", deed.grave() ? "button grave" : "button"),
                    Parts.link(back, "Cancel"))
                .attr("action", visit.path())
                .attr("method", "post")
                .attr("class", "confirm"))
        .document();
  }

  /**
   * A page that says what is wrong and what to do next.
   *
   * @param visit null if it is not known who asks
   */
  public static Document problem(@Nullable Visit visit, ProblemException e) {
    String title = e.title().substring(0, 1).toUpperCase(Locale.ROOT) + e.title().substring(1);
    return Layout.of(visit, title)
        .add(
            Parts.notice("warn", "What to do next", Parts.paragraph(e.advice())),
            Parts.actions(Parts.button("/page", "To the overview")),
            Html.of("p", "Status " + e.status()).attr("class", "muted"))
        .document();
  }

  /**
   * A file that pages need.
   *
   * @param name page.css or icon.svg
   */
  public static byte[] file(String name) throws IOException {
    try (InputStream in = Pages.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IOException("this program was packaged without " + name);
      }
      return in.readAllBytes();
    }
  }
}
