package io.coffer.keyserver.server;

import io.coffer.keyserver.json.JsonObject;
import org.jspecify.annotations.Nullable;

/** Services, their endpoints, and how those prove themselves. */
final class ServiceResource {
  private final ServerState state;

  ServiceResource(ServerState state) {
    this.state = state;
  }

  void addTo(Routes routes) {
    routes.addQuiet(
        "GET", "/v1/services", "service.list", call -> state.use(b -> b.services().list()));
    routes.add(
        "POST",
        "/v1/services",
        "service.create",
        201,
        call -> state.use(b -> b.services().create(call.who(), call.body())));
    routes.add(
        "GET",
        "/v1/services/*",
        "service.get",
        200,
        call -> state.use(b -> b.services().get(call.who(), call.name(0))));
    routes.add(
        "POST",
        "/v1/services/*/rotate",
        "master.rotate",
        200,
        call -> {
          JsonObject rotated = state.use(b -> b.services().rotate(call.who(), call.name(0)));
          state.wake();
          return rotated;
        });
    routes.add(
        "POST",
        "/v1/services/*/masters/*/retire",
        "master.retire",
        200,
        call -> {
          int version = call.number(1);
          return state.use(b -> b.services().retire(call.who(), call.name(0), version));
        });
    routes.add(
        "POST",
        "/v1/services/*/master-key",
        "master.grant",
        200,
        call -> state.use(b -> b.services().grantMaster(call.who(), call.name(0), call.body())));
    routes.add(
        "POST",
        "/v1/attestation/challenge",
        "attestation.challenge",
        200,
        call -> state.use(b -> b.attestations().challenge(call.who(), call.body())));
    routes.add(
        "POST",
        "/v1/attestation/proof",
        "attestation.proof",
        200,
        call -> state.use(b -> b.attestations().prove(call.who(), call.body())));
    routes.add(
        "GET",
        "/v1/endpoints",
        "endpoint.list",
        200,
        call -> state.use(b -> b.services().endpoints(call.who())));
    routes.add(
        "PUT",
        "/v1/endpoints/*",
        "endpoint.register",
        200,
        call -> state.use(b -> b.services().register(call.who(), call.name(0), call.body())));
    routes.add(
        "DELETE",
        "/v1/endpoints/*",
        "endpoint.unregister",
        204,
        call ->
            state.<@Nullable Object>use(b -> {
              b.services().unregister(call.who(), call.name(0));
              return null;
            }));
  }
}
