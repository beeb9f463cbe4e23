package io.coffer.keyserver.server;

import io.coffer.keyserver.box.Services;
import java.util.List;

/** Translates what was done, here or by another server, into what those who wait have asked for. */
final class Changes {
  private final Events events;

  Changes(Events events) {
    this.events = events;
  }

  /** Tells those who wait here what a request to another server has changed. */
  void changedElsewhere(String id) {
    String[] parts = id.split("/", -1);
    switch (parts[0]) {
      case "" -> events.everything();
      case "key" -> events.changed(parts[1].equals(Services.OWNERS) ? "owner/" + parts[2] : id);
      case "owner", "endpoint", "token" -> events.changed(id);
      default -> {}
    }
  }

  /** Tells those who wait what a request has changed. */
  void tell(String action, List<String> names) {
    switch (action) {
      case "key.rotate",
          "key.retire",
          "key.activate",
          "key.acl",
          "key.grant",
          "key.withdraw",
          "key.delete",
          "key.restore" ->
          events.changed("key/" + names.get(0) + "/" + names.get(1) + "/" + names.get(2));
      case "owner.change",
          "owner.admit",
          "owner.dismiss",
          "ownerkey.rotate",
          "ownerkey.retire",
          "ownerkey.activate" ->
          events.changed("owner/" + names.get(0));
      case "endpoint.register", "endpoint.unregister" -> events.changed("endpoint/" + names.get(0));
      case "token.revoke" -> events.changed("token/" + names.get(0));
      case "server.seal" -> events.changed("server");
      default -> {}
    }
  }
}
