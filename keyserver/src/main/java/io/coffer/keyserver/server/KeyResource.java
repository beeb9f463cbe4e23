package io.coffer.keyserver.server;

import java.util.List;

/** Keys in their lock boxes. */
final class KeyResource {
  private final ServerState state;

  KeyResource(ServerState state) {
    this.state = state;
  }

  void addTo(Routes routes) {
    String box = "/v1/services/*/owners/*/keys";
    String key = box + "/*";
    routes.add(
        "GET",
        box,
        "key.list",
        200,
        call -> {
          int limit = call.query("limit", 1000, 100);
          boolean deleted = call.text("deleted").equals("true");
          return state.use(b ->
              b.keys()
                  .list(
                      call.who(), call.name(0), call.name(1), call.text("after"), limit, deleted));
        });
    routes.add(
        "POST",
        box,
        "key.create",
        201,
        call ->
            state.use(b -> b.keys().create(call.who(), call.name(0), call.name(1), call.body())));
    routes.add(
        "GET",
        key,
        "key.get",
        200,
        call -> state.use(b -> b.keys().get(call.who(), call.name(0), call.name(1), call.name(2))));
    routes.add(
        "GET",
        key + "/wrapped",
        "key.read",
        200,
        call -> {
          int version = call.query("version", Integer.MAX_VALUE, 0);
          return state.use(
              b -> b.keys().read(call.who(), call.name(0), call.name(1), call.name(2), version));
        });
    routes.add(
        "POST",
        key + "/rotate",
        "key.rotate",
        200,
        call ->
            state.use(b ->
                b.keys()
                    .rotate(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    for (String[] change : new String[][] {{"retire", "retired"}, {"activate", "active"}}) {
      routes.add(
          "POST",
          key + "/versions/*/" + change[0],
          "key." + change[0],
          200,
          call -> {
            int version = call.number(3);
            return state.use(b ->
                b.keys()
                    .state(
                        call.who(), call.name(0), call.name(1), call.name(2), version, change[1]));
          });
    }
    routes.add(
        "PUT",
        key + "/acl",
        "key.acl",
        200,
        call ->
            state.use(b ->
                b.keys().acl(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    routes.add(
        "PUT",
        key + "/acl/*",
        "key.grant",
        200,
        call ->
            state.use(b ->
                b.keys()
                    .grant(
                        call.who(),
                        call.name(0),
                        call.name(1),
                        call.name(2),
                        call.name(3),
                        call.body())));
    routes.add(
        "DELETE",
        key + "/acl/*",
        "key.withdraw",
        200,
        call ->
            state.use(b ->
                b.keys()
                    .withdraw(call.who(), call.name(0), call.name(1), call.name(2), call.name(3))));
    for (String method : List.of("POST", "DELETE")) {
      routes.add(
          method,
          key + "/consumers",
          method.equals("POST") ? "key.consume" : "key.release",
          200,
          call -> {
            call.body().allow("consumer");
            String consumer = call.body().string("consumer");
            return state.use(b ->
                b.keys()
                    .consumer(
                        call.who(),
                        call.name(0),
                        call.name(1),
                        call.name(2),
                        consumer,
                        method.equals("POST")));
          });
    }
    routes.add(
        "DELETE",
        key,
        "key.delete",
        200,
        call ->
            state.use(b -> b.keys().delete(call.who(), call.name(0), call.name(1), call.name(2))));
    routes.add(
        "POST",
        key + "/restore",
        "key.restore",
        200,
        call ->
            state.use(b -> b.keys().restore(call.who(), call.name(0), call.name(1), call.name(2))));
  }
}
