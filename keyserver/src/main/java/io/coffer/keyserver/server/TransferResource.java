package io.coffer.keyserver.server;

import org.jspecify.annotations.Nullable;

/** Offers of a key from one lock box to another. */
final class TransferResource {
  private final ServerState state;

  TransferResource(ServerState state) {
    this.state = state;
  }

  void addTo(Routes routes) {
    routes.add(
        "POST",
        "/v1/services/*/owners/*/keys/*/transfers",
        "transfer.offer",
        201,
        call ->
            state.use(b ->
                b.transfers()
                    .offer(call.who(), call.name(0), call.name(1), call.name(2), call.body())));
    routes.addQuiet(
        "GET",
        "/v1/transfers",
        "transfer.list",
        call -> state.use(b -> b.transfers().list(call.who())));
    routes.add(
        "POST",
        "/v1/transfers/*/accept",
        "transfer.accept",
        201,
        call -> state.use(b -> b.transfers().accept(call.who(), call.name(0))));
    routes.add(
        "DELETE",
        "/v1/transfers/*",
        "transfer.cancel",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.transfers().cancel(call.who(), call.name(0));
              return null;
            }));
  }
}
