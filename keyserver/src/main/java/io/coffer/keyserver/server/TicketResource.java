package io.coffer.keyserver.server;

import io.coffer.keyserver.box.Job;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.login.Logins;
import io.coffer.keyserver.login.MungeLogin;
import io.coffer.keyserver.login.SlurmJobs;

/** Tickets for batch jobs. */
final class TicketResource {
  private final ServerState state;
  private final Logins logins;
  private final Events events;

  TicketResource(ServerState state, Logins logins, Events events) {
    this.state = state;
    this.logins = logins;
    this.events = events;
  }

  void addTo(Routes routes) {
    routes.add(
        "POST",
        "/v1/tickets",
        "ticket.issue",
        201,
        call -> {
          logins.slurm();
          return state.use(b -> b.tickets().issue(call.who(), call.serial(), call.body()));
        });
    routes.addQuiet(
        "GET", "/v1/tickets", "ticket.list", call -> state.use(b -> b.tickets().list(call.who())));
    routes.add("POST", "/v1/tickets/redeem", "ticket.redeem", 201, this::redeem);
    routes.add(
        "DELETE",
        "/v1/tickets/*",
        "ticket.revoke",
        204,
        call -> {
          state
              .use(b -> b.tickets().revoke(call.who(), call.name(0)))
              .forEach(token -> events.changed("token/" + token));
          return null;
        });
  }

  /** Asks MUNGE and the scheduler before the store: both may take their time. */
  private Object redeem(Call call) throws ProblemException, EngineException, JsonException {
    SlurmJobs slurm = logins.slurm();
    MungeLogin munge = logins.munge();
    String credential = call.body().string("credential");
    Proven proven = munge.check(credential, call.who());
    Job job = slurm.ask(call.body().string("job"));
    Identity user = munge.subject(job.user());
    return state.use(b -> {
      b.tokens().useOnce(proven, credential);
      return b.tickets().redeem(call.who(), proven, user, job, call.body(), logins.jobSeconds());
    });
  }
}
