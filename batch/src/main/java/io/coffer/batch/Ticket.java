package io.coffer.batch;

import java.util.Base64;
import java.util.List;

/**
 * What a job carries instead of a password. It names the volume and whom to ask, and proves to the
 * agent that it was given it; no key is in it or can be computed from it. Travels as a MUNGE
 * credential that only its user can open.
 *
 * @param id by which the agent knows it
 * @param secret 32 bytes; the key of the codes by which its holder proves to have it
 * @param host where the agent listens
 * @param port where the agent listens
 * @param agentKey the agent's X25519 public key for this ticket alone, in X.509 form
 * @param volume absolute path of the volume
 */
record Ticket(String id, byte[] secret, String host, int port, byte[] agentKey, String volume) {
  private static final String MAGIC = "coffer-ticket-1";

  String toText() {
    Base64.Encoder encoder = Base64.getEncoder();
    return String.join(
        "\n",
        MAGIC,
        id,
        encoder.encodeToString(secret),
        host,
        Integer.toString(port),
        encoder.encodeToString(agentKey),
        volume);
  }

  static Ticket parse(String text) throws BatchException {
    List<String> lines = text.lines().toList();
    try {
      if (lines.size() == 7 && lines.getFirst().equals(MAGIC)) {
        Base64.Decoder decoder = Base64.getDecoder();
        return new Ticket(
            lines.get(1),
            decoder.decode(lines.get(2)),
            lines.get(3),
            Integer.parseInt(lines.get(4)),
            decoder.decode(lines.get(5)),
            lines.get(6));
      }
    } catch (IllegalArgumentException e) {
      // Said below.
    }
    throw new BatchException("what was given as a ticket is none");
  }
}
