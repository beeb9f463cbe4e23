package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditCheck;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The server itself: its state, its seal, its metrics and its audit log. */
final class ServerResource {
  private final ServerState state;
  private final AuditLog audit;
  private final Metrics metrics;

  ServerResource(ServerState state, AuditLog audit, Metrics metrics) {
    this.state = state;
    this.audit = audit;
    this.metrics = metrics;
  }

  void addTo(Routes routes) {
    routes.addQuiet(
        "GET",
        "/v1/status",
        "server.status",
        call ->
            new JsonObject()
                .put("sealed", state.isSealed())
                .put("opened_by", state.openedBy())
                .put("you", call.who().toString())
                .put("servers", state.servers())
                .put("audit_head", audit.head().toString()));
    routes.addQuiet("GET", "/health", "server.health", call -> health());
    routes.addQuiet("GET", "/metrics", "server.metrics", this::prometheus);
    routes.add("POST", "/v1/seal/unseal", "server.unseal", 200, this::unseal);
    routes.add(
        "POST",
        "/v1/seal/seal",
        "server.seal",
        200,
        call -> {
          Roles.requireOperator(call.who());
          state.seal();
          return new JsonObject().put("sealed", true);
        });
    routes.add(
        "POST",
        "/v1/backups",
        "server.backup",
        200,
        call -> {
          Roles.requireOperator(call.who());
          call.body().allow("to");
          call.body().string("to");
          return new JsonObject().put("logged", true);
        });
    routes.add("GET", "/v1/audit", "audit.read", 200, this::auditLog);
    routes.add(
        "POST",
        "/v1/audit/verify",
        "audit.verify",
        200,
        call -> {
          Roles.requireAuditor(call.who());
          state.auditCheck().start();
          return verification();
        });
    routes.addQuiet(
        "GET",
        "/v1/audit/verify",
        "audit.verify",
        call -> {
          Roles.requireAuditor(call.who());
          return verification();
        });
  }

  /** Up is who can answer for a key: the log can be written, and the store answers. */
  private Object health() throws ProblemException, AuditException, EngineException, JsonException {
    audit.requireWritable();
    state.<long[]>use(LockBoxes::size);
    return new JsonObject().put("status", "up");
  }

  private Object prometheus(Call call) throws ProblemException, EngineException, JsonException {
    if (!Roles.isOverseer(call.who())) {
      throw ProblemException.forbidden(
          "only operators and auditors may read the metrics",
          "Have a certificate for it issued: 'coffer ca issue DIR/ca auditor:NAME'.");
    }
    long[] size = state.isSealed() ? new long[2] : state.<long[]>use(LockBoxes::size);
    String text = metrics.text(state.isSealed(), size[0], size[1], audit.head().sequence());
    return new Content("text/plain; version=0.0.4", text.getBytes(StandardCharsets.UTF_8));
  }

  private Object unseal(Call call)
      throws ProblemException, SealException, IOException, JsonException {
    Roles.requireOperator(call.who());
    call.body().allow("passphrase", "share", "hardware");
    boolean hardware = call.body().bool("hardware", false);
    int given =
        (call.body().has("passphrase") ? 1 : 0)
            + (call.body().has("share") ? 1 : 0)
            + (hardware ? 1 : 0);
    if (given != 1) {
      throw ProblemException.badRequest(
          "either 'passphrase', 'share' or 'hardware' is needed",
          "Send the passphrase or a share as base64, or \"hardware\":true to have the server try"
              + " its TPM or token.");
    }
    if (!state.isSealed()) {
      throw ProblemException.conflict(
          "the server is open already", "Nothing needs to be done; GET /v1/status shows by what.");
    }
    int missing = 0;
    if (hardware) {
      state.unsealByHardware(Pins.Prompt.NOBODY);
    } else if (call.body().has("passphrase")) {
      try (SecretBytes passphrase = call.body().secret("passphrase")) {
        state.unseal(passphrase);
      }
    } else {
      try (SecretBytes text = call.body().secret("share")) {
        missing = state.unseal(text.read(Share::parse));
      }
    }
    return new JsonObject()
        .put("sealed", missing > 0)
        .put("missing_shares", missing)
        .put("opened_by", state.openedBy());
  }

  /** How far the log has been verified. */
  private JsonObject verification() {
    AuditCheck.Result last = state.auditCheck().last();
    return new JsonObject()
        .put("running", state.auditCheck().isRunning())
        .put("time", last.time().toString())
        .put("end", last.end().toString())
        .put("damage", last.damage());
  }

  private Object auditLog(Call call) throws ProblemException, IOException {
    Roles.requireAuditor(call.who());
    int after = call.query("after", Integer.MAX_VALUE, 0);
    int limit = call.query("limit", 10_000, 1000);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    audit.export(after, limit, out);
    return new Content("application/x-ndjson", out.toByteArray());
  }
}
