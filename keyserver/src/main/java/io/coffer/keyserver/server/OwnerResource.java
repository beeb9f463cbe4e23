package io.coffer.keyserver.server;

/** Owners, their members and keys, and the Barbican-compatible door to what they own. */
final class OwnerResource {
  private final ServerState state;

  OwnerResource(ServerState state) {
    this.state = state;
  }

  void addTo(Routes routes) {
    routes.addQuiet(
        "GET", "/v1/owners", "owner.list", call -> state.use(b -> b.owners().list(call.who())));
    routes.add(
        "POST",
        "/v1/owners",
        "owner.create",
        201,
        call -> state.use(b -> b.owners().create(call.who(), call.body())));
    routes.add(
        "GET",
        "/v1/owners/*",
        "owner.get",
        200,
        call -> state.use(b -> b.owners().get(call.who(), call.name(0))));
    routes.add(
        "PUT",
        "/v1/owners/*",
        "owner.change",
        200,
        call -> state.use(b -> b.owners().change(call.who(), call.name(0), call.body())));
    routes.add(
        "PUT",
        "/v1/owners/*/members/*",
        "owner.admit",
        200,
        call ->
            state.use(b -> b.owners().admit(call.who(), call.name(0), call.name(1), call.body())));
    routes.add(
        "DELETE",
        "/v1/owners/*/members/*",
        "owner.dismiss",
        200,
        call -> state.use(b -> b.owners().dismiss(call.who(), call.name(0), call.name(1))));
    routes.addQuiet(
        "GET", "/v1/doors", "door.list", call -> state.use(b -> b.doors().list(call.who())));
    routes.add(
        "PUT",
        "/v1/owners/*/door",
        "door.open",
        200,
        call -> state.use(b -> b.doors().open(call.who(), call.name(0), call.body())));
    routes.add(
        "DELETE",
        "/v1/owners/*/door",
        "door.close",
        200,
        call -> state.use(b -> b.doors().close(call.who(), call.name(0))));
    routes.add(
        "PUT",
        "/v1/owners/*/quota",
        "owner.quota",
        200,
        call -> state.use(b -> b.owners().quota(call.who(), call.name(0), call.body())));
    routes.add(
        "GET",
        "/v1/owners/*/key",
        "ownerkey.get",
        200,
        call -> state.use(b -> b.keys().getOwnerKey(call.who(), call.name(0))));
    routes.add(
        "POST",
        "/v1/owners/*/key",
        "ownerkey.create",
        201,
        call -> state.use(b -> b.keys().createOwnerKey(call.who(), call.name(0))));
    routes.add(
        "POST",
        "/v1/owners/*/key/rotate",
        "ownerkey.rotate",
        200,
        call -> state.use(b -> b.keys().rotateOwnerKey(call.who(), call.name(0))));
    for (String[] change : new String[][] {{"retire", "retired"}, {"activate", "active"}}) {
      routes.add(
          "POST",
          "/v1/owners/*/key/versions/*/" + change[0],
          "ownerkey." + change[0],
          200,
          call -> {
            int version = call.number(1);
            return state.use(
                b -> b.keys().ownerKeyState(call.who(), call.name(0), version, change[1]));
          });
    }
  }
}
