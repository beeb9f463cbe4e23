package io.coffer.cli;

import io.coffer.batch.AgentClient;
import io.coffer.batch.BatchException;
import io.coffer.batch.ServiceTicket;
import io.coffer.batch.TicketHolder;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The key of a volume for one node of a job, by the job's ticket. */
interface JobKey extends AutoCloseable {
  /** The volume that the ticket is for. */
  Path volume();

  /** The node that this is. */
  String node();

  /** Shows the ticket; works once on each node. The caller closes the key. */
  SecretBytes unlock(GocryptfsVolume volume)
      throws CommandException, VolumeException, BatchException, IOException;

  /**
   * Sees to it from now on that the key may be used.
   *
   * @param refused is told once why it may not any more
   */
  void watch(Consumer<String> refused);

  @Override
  void close();

  /** Opens what a job carries, of whichever kind it is. */
  static JobKey open(String ticket) throws BatchException {
    String payload = TicketHolder.unseal(ticket);
    Optional<ServiceTicket> service = ServiceTicket.open(payload);
    return service.isPresent()
        ? new OfService(service.get())
        : new OfAgent(TicketHolder.open(payload));
  }

  /** By the agent of the machine where the job was submitted. */
  final class OfAgent implements JobKey {
    private final TicketHolder ticket;

    private OfAgent(TicketHolder ticket) {
      this.ticket = ticket;
    }

    @Override
    public Path volume() {
      return ticket.volume();
    }

    @Override
    public String node() {
      return ticket.node();
    }

    @Override
    public SecretBytes unlock(GocryptfsVolume volume)
        throws CommandException, BatchException, IOException {
      TicketHolder.Grant grant = ticket.claim();
      if (!grant.fingerprint().equals(AgentClient.fingerprint(volume.configFile()))) {
        grant.close();
        throw new CommandException(
            ExitCode.AGENT,
            "the configuration of " + ticket.volume() + " is not that for which the ticket is");
      }
      return grant.key();
    }

    @Override
    public void watch(Consumer<String> refused) {
      Thread.ofPlatform().daemon().start(() -> renew(refused));
    }

    /** Asks the agent from time to time. */
    private void renew(Consumer<String> refused) {
      while (true) {
        try {
          Thread.sleep(ticket.renewal().toMillis());
          ticket.renew();
        } catch (BatchException e) {
          refused.accept(String.valueOf(e.getMessage()));
          return;
        } catch (IOException e) {
          // Not a refusal: the machine of the agent may be down, and the job should not fail for
          // it.
          System.getLogger("io.coffer.cli")
              .log(System.Logger.Level.DEBUG, "the agent cannot be reached: {0}", e.getMessage());
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }

    @Override
    public void close() {}
  }

  /** By a key service. */
  final class OfService implements JobKey {
    private final ServiceTicket ticket;
    private KeyService.@Nullable Held held;
    private @Nullable String reason;
    private @Nullable Consumer<String> listener;

    private OfService(ServiceTicket ticket) {
      this.ticket = ticket;
    }

    @Override
    public Path volume() {
      return ticket.volume();
    }

    @Override
    public String node() {
      return ticket.node();
    }

    @Override
    public SecretBytes unlock(GocryptfsVolume volume) throws CommandException, VolumeException {
      try (SecretBytes password = password()) {
        return volume.unlock(password);
      }
    }

    private SecretBytes password() throws CommandException {
      Path machine = KeyOptions.machine();
      try {
        KeyService.Held key =
            KeyOptions.findKeyService()
                .redeem(
                    machine,
                    ticket.text(),
                    ticket.job(),
                    ServiceTicket::credential,
                    this::withdrawn);
        held = key;
        return key.password();
      } catch (VolumeException e) {
        throw new CommandException(ExitCode.AGENT, String.valueOf(e.getMessage()));
      }
    }

    private synchronized void withdrawn(String why) {
      Consumer<String> told = listener;
      if (reason == null && told != null) {
        told.accept(why);
      }
      reason = why;
    }

    @Override
    public synchronized void watch(Consumer<String> refused) {
      String why = reason;
      listener = refused;
      if (why != null) {
        refused.accept(why);
      }
    }

    @Override
    public void close() {
      KeyService.Held key = held;
      if (key != null) {
        key.close();
      }
    }
  }
}
