package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.List;

/** Offers of keys from one lock box to another. */
final class TransferPages {
  private TransferPages() {}

  static final View VIEW = new View("/page/transfers", "transfer.list", false, TransferPages::list);

  static final List<Deed> DEEDS =
      List.of(
          new Deed(
              "/page/transfers/*/accept",
              "transfer.accept",
              "Accept a transfer",
              "Accept it",
              false,
              visit -> about(visit, "is rewrapped into the lock box of "),
              "The transfer is accepted: the key is in its new lock box.",
              2),
          new Deed(
              "/page/transfers/*/cancel",
              "transfer.cancel",
              "Take an offer back",
              "Take it back",
              true,
              visit -> about(visit, "is offered no more to "),
              "The offer was taken back.",
              2));

  private static List<JsonObject> all(Visit visit)
      throws ProblemException, EngineException, JsonException {
    return visit.desk().use(b -> b.transfers().list(visit.who())).objects("transfers");
  }

  private static Html about(Visit visit, String what)
      throws ProblemException, EngineException, JsonException {
    for (JsonObject offer : all(visit)) {
      if (offer.string("id").equals(visit.name(0))) {
        return Html.of("p", "The key ")
            .add(Parts.code(offer.string("key")))
            .text(
                " of "
                    + offer.string("owner")
                    + " for "
                    + offer.string("service")
                    + " "
                    + what
                    + offer.string("to_owner")
                    + " for "
                    + offer.string("to_service")
                    + (offer.bool("move", false) ? ", and deleted where it was." : "."));
      }
    }
    throw ProblemException.notFound(
        "there is no such transfer, or it is not yours", "It may have been accepted already.");
  }

  private static Document list(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> offers =
        new Listing<>(
            visit,
            all(visit),
            t ->
                ServicePages.words(
                    t, "id", "key", "service", "owner", "to_service", "to_owner", "offered_by"));
    Table table = new Table("Offers", "Key", "From", "To", "How", "Ends", "To do");
    for (JsonObject offer : offers.shown()) {
      String here = "/page/transfers/" + offer.string("id");
      boolean mine = offer.string("offered_by").equals(visit.who().toString());
      table.row(
          Html.of("span", Parts.code(offer.string("key")))
              .text(" version " + offer.integer("version", 1, Integer.MAX_VALUE)),
          box(offer, "owner", "service")
              .add(Html.of("br"), Parts.muted("by "))
              .add(Parts.name(offer.string("offered_by"))),
          box(offer, "to_owner", "to_service"),
          Html.of("span", offer.bool("move", false) ? "moved" : "copied"),
          Parts.until(offer.string("expires"), visit.desk().now()),
          mine
              ? Parts.graveButton(here + "/cancel", "Take back")
              : Parts.button(here + "/accept", "Accept"));
    }
    return Layout.of(visit, "Transfers")
        .add(
            Parts.paragraph(
                "Offers that you have made or may accept. A key goes from one lock box to another"
                    + " without being seen in clear by anybody."),
            offers.search("Key, owner, service or name"),
            table.orElse("There is none."),
            offers.pages())
        .document();
  }

  private static Html box(JsonObject offer, String owner, String service) throws JsonException {
    return Html.of("span", offer.string(owner) + " for " + offer.string(service));
  }
}
